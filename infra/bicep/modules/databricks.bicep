// The Databricks workspace in the virtual network, and the identity by which Unity Catalog reaches the lake.

@description('Required. Name of the workspace.')
param name string

@description('Required. Name of the access connector.')
param accessConnectorName string

@description('Required. Resource group that Databricks makes for its machines; it must not be there yet.')
param managedResourceGroupName string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Log Analytics workspace for diagnostics.')
param logAnalyticsId string

@description('Required. Whether it answers from outside the network.')
param publicAccess bool

@description('Required. Subnet of private endpoints.')
param privateSubnetId string

@description('Required. Whether sign-in by browser has its endpoint here; once for each private zone.')
param browserAuthentication bool

@description('Required. Network of its machines.')
param networkId string

@description('Required. Subnet of its machines.')
param hostSubnetName string

@description('Required. Subnet of its containers.')
param containerSubnetName string

@description('Required. Whether a lock keeps it from being deleted.')
param locked bool

var signIn = browserAuthentication ? ['browser_authentication'] : []
var groups = publicAccess ? [] : concat(['databricks_ui_api'], signIn)

resource accessConnector 'Microsoft.Databricks/accessConnectors@2026-01-01' = {
  name: accessConnectorName
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
}

resource workspace 'Microsoft.Databricks/workspaces@2026-01-01' = {
  // checkov:skip=CKV2_AZURE_48: keys are those of the platform; tables and files lie in the lake, not in this storage
  name: name
  location: location
  tags: tags
  sku: {
    name: 'premium'
  }
  properties: {
    computeMode: 'Hybrid'
    managedResourceGroupId: subscriptionResourceId('Microsoft.Resources/resourceGroups', managedResourceGroupName)
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    requiredNsgRules: publicAccess ? 'AllRules' : 'NoAzureDatabricksRules'
    defaultCatalog: {
      initialType: 'UnityCatalog'
    }
    parameters: {
      customVirtualNetworkId: {
        value: networkId
      }
      customPublicSubnetName: {
        value: hostSubnetName
      }
      customPrivateSubnetName: {
        value: containerSubnetName
      }
      enableNoPublicIp: {
        value: true
      }
      requireInfrastructureEncryption: {
        value: true
      }
    }
  }
}

// one endpoint serves people, clusters and the bundle alike: they are in, or come through, one network
@batchSize(1)
module endpoints 'private_endpoint.bicep' = [for group in groups: {
  name: 'databricks-${replace(group, '_', '-')}'
  params: {
    targetId: workspace.id
    targetName: workspace.name
    group: group
    subnetId: privateSubnetId
    location: location
    tags: tags
  }
}]

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (locked) {
  scope: workspace
  name: 'keep'
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds jobs, their history and who may do what.'
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: workspace
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

@description('The workspace.')
output id string = workspace.id

@description('Its number, by which the account console assigns a metastore.')
output workspaceId string = workspace.properties.workspaceId

@description('Its address.')
output host string = 'https://${workspace.properties.workspaceUrl}'

@description('The access connector.')
output accessConnectorId string = accessConnector.id

@description('Object id of the identity of the access connector.')
output accessConnectorPrincipalId string = accessConnector.identity.principalId
