// The virtual network, its way out, and in private mode the names by which services are found inside.

@description('Required. Ending of the names, such as deepkt-prod.')
param suffix string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Log Analytics workspace for diagnostics.')
param logAnalyticsId string

@description('Required. The first two numbers of all addresses, such as 10.40.')
param addressPrefix string

@description('Required. Whether services answer from outside, so that no private names are needed.')
param publicAccess bool

var zoneOfGroup = loadJsonContent('../private_zones.json')
var zoneNames = [for group in items(zoneOfGroup): group.value]
var zones = publicAccess ? [] : union(zoneNames, [])

// Databricks adds these rules to the groups of its subnets itself. They are declared under the same
// names, so that a later deployment does not take away what the service wants to be there.
var prefix = 'Microsoft.Databricks-workspaces_UseOnly_databricks-worker-to-'
var workerRules = [
  {
    name: '${prefix}worker-inbound'
    direction: 'Inbound'
    priority: 100
    protocol: '*'
    ports: ['*']
    destination: 'VirtualNetwork'
  }
  {
    name: '${prefix}sql'
    direction: 'Outbound'
    priority: 101
    protocol: 'Tcp'
    ports: ['3306']
    destination: 'Sql'
  }
  {
    name: '${prefix}storage'
    direction: 'Outbound'
    priority: 102
    protocol: 'Tcp'
    ports: ['443']
    destination: 'Storage'
  }
  {
    name: '${prefix}worker-outbound'
    direction: 'Outbound'
    priority: 103
    protocol: '*'
    ports: ['*']
    destination: 'VirtualNetwork'
  }
  {
    name: '${prefix}eventhub'
    direction: 'Outbound'
    priority: 104
    protocol: 'Tcp'
    ports: ['9093']
    destination: 'EventHub'
  }
]
// where the back end is private, workers reach the control plane by its endpoint instead
var controlPlaneRules = publicAccess ? [
  {
    name: '${prefix}databricks-webapp'
    direction: 'Outbound'
    priority: 100
    protocol: 'Tcp'
    ports: ['443', '3306', '8443-8451']
    destination: 'AzureDatabricks'
  }
] : []
var databricksRules = concat(workerRules, controlPlaneRules)

// what workers and people in the network ask of private endpoints, and nothing else
var endpointRules = [
  {
    name: 'from-network'
    direction: 'Inbound'
    priority: 100
    protocol: 'Tcp'
    ports: ['443', '3306', '6666', '8443-8451']
    access: 'Allow'
    source: 'VirtualNetwork'
  }
  {
    name: 'from-elsewhere'
    direction: 'Inbound'
    priority: 4096
    protocol: '*'
    ports: ['*']
    access: 'Deny'
    source: '*'
  }
]

resource databricksRulesGroup 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: 'nsg-databricks-${suffix}'
  location: location
  tags: tags
  properties: {
    securityRules: [for rule in databricksRules: {
      name: rule.name
      properties: {
        direction: rule.direction
        priority: rule.priority
        access: 'Allow'
        protocol: rule.protocol
        sourceAddressPrefix: 'VirtualNetwork'
        sourcePortRange: '*'
        destinationAddressPrefix: rule.destination
        destinationPortRange: length(rule.ports) == 1 ? rule.ports[0] : null
        destinationPortRanges: length(rule.ports) == 1 ? [] : rule.ports
      }
    }]
  }
}

resource endpointRulesGroup 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: 'nsg-private-endpoints-${suffix}'
  location: location
  tags: tags
  properties: {
    securityRules: [for rule in endpointRules: {
      name: rule.name
      properties: {
        direction: rule.direction
        priority: rule.priority
        access: rule.access
        protocol: rule.protocol
        sourceAddressPrefix: rule.source
        sourcePortRange: '*'
        destinationAddressPrefix: '*'
        destinationPortRange: length(rule.ports) == 1 ? rule.ports[0] : null
        destinationPortRanges: length(rule.ports) == 1 ? [] : rule.ports
      }
    }]
  }
}

// Machines here call out and are not called: the rules every group begins with allow just that.
resource selfHostedRulesGroup 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: 'nsg-self-hosted-${suffix}'
  location: location
  tags: tags
  properties: {
    securityRules: []
  }
}

resource outboundAddress 'Microsoft.Network/publicIPAddresses@2025-05-01' = {
  name: 'pip-outbound-${suffix}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIPAllocationMethod: 'Static'
    publicIPAddressVersion: 'IPv4'
  }
}

// machines without public address have no other way out
resource outbound 'Microsoft.Network/natGateways@2025-05-01' = {
  name: 'nat-${suffix}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIpAddresses: [
      {
        id: outboundAddress.id
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: 'vnet-${suffix}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: ['${addressPrefix}.0.0/20']
    }
    // inside, so that a repeated deployment does not find them missing and delete them
    subnets: [
      {
        name: 'databricks-host'
        properties: {
          addressPrefix: '${addressPrefix}.0.0/22'
          defaultOutboundAccess: false
          networkSecurityGroup: {
            id: databricksRulesGroup.id
          }
          natGateway: {
            id: outbound.id
          }
          delegations: [
            {
              name: 'databricks'
              properties: {
                serviceName: 'Microsoft.Databricks/workspaces'
              }
            }
          ]
        }
      }
      {
        name: 'databricks-container'
        properties: {
          addressPrefix: '${addressPrefix}.4.0/22'
          defaultOutboundAccess: false
          networkSecurityGroup: {
            id: databricksRulesGroup.id
          }
          natGateway: {
            id: outbound.id
          }
          delegations: [
            {
              name: 'databricks'
              properties: {
                serviceName: 'Microsoft.Databricks/workspaces'
              }
            }
          ]
        }
      }
      {
        name: 'private-endpoints'
        properties: {
          addressPrefix: '${addressPrefix}.8.0/24'
          defaultOutboundAccess: false
          networkSecurityGroup: {
            id: endpointRulesGroup.id
          }
          privateEndpointNetworkPolicies: 'NetworkSecurityGroupEnabled'
        }
      }
      // for the runtime of Data Factory and the runner of GitHub where there is no other network for them
      {
        name: 'self-hosted'
        properties: {
          addressPrefix: '${addressPrefix}.9.0/24'
          defaultOutboundAccess: false
          networkSecurityGroup: {
            id: selfHostedRulesGroup.id
          }
          natGateway: {
            id: outbound.id
          }
        }
      }
    ]
  }
}

resource privateZones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zone in zones: {
  name: zone
  location: 'global'
  tags: tags
}]

resource zoneLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zone, i) in zones: {
  parent: privateZones[i]
  name: 'network'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: network.id
    }
  }
}]

resource networkDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: network
  name: 'log-analytics'
  properties: {
    workspaceId: logAnalyticsId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

resource addressDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: outboundAddress
  name: 'log-analytics'
  properties: {
    workspaceId: logAnalyticsId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

resource databricksRulesDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: databricksRulesGroup
  name: 'log-analytics'
  properties: {
    workspaceId: logAnalyticsId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
  }
}

resource endpointRulesDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: endpointRulesGroup
  name: 'log-analytics'
  properties: {
    workspaceId: logAnalyticsId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
  }
}

resource selfHostedRulesDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: selfHostedRulesGroup
  name: 'log-analytics'
  properties: {
    workspaceId: logAnalyticsId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
  }
}

@description('The network, into which Databricks is injected.')
output networkId string = network.id

@description('Subnet of the machines of Databricks.')
output hostSubnetName string = 'databricks-host'

@description('Subnet of the containers of Databricks.')
output containerSubnetName string = 'databricks-container'

@description('Subnet of private endpoints.')
output privateSubnetId string = '${network.id}/subnets/private-endpoints'
