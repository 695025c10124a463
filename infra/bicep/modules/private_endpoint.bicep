// An address in the network at which one service answers, under its public name.

@description('Required. Resource behind it.')
param targetId string

@description('Required. Name of that resource.')
param targetName string

@description('Required. Which of its services; a key of private_zones.json.')
param group string

@description('Required. Subnet the address is taken from.')
param subnetId string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

var zones = loadJsonContent('../private_zones.json')
var endpointName = 'pe-${targetName}-${replace(group, '_', '-')}'

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' existing = {
  name: zones[group]
}

resource endpoint 'Microsoft.Network/privateEndpoints@2025-05-01' = {
  name: endpointName
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: endpointName
        properties: {
          privateLinkServiceId: targetId
          groupIds: [group]
        }
      }
    ]
  }
}

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: group
        properties: {
          privateDnsZoneId: zone.id
        }
      }
    ]
  }
}
