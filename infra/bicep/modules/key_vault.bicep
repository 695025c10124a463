// Secrets of the sources; people set them, nothing here does.

@description('Required. Name of the vault, unique in Azure.')
param name string

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

@description('Required. Whether a deleted vault of this name is brought back.')
param recover bool

@description('Required. Whether a lock keeps it from being deleted.')
param locked bool

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  // checkov:skip=CKV_AZURE_109: by parameter: 'Deny' unless publicAccess, which only dev sets
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'premium'
    }
    createMode: recover ? 'recover' : 'default'
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    networkAcls: {
      defaultAction: publicAccess ? 'Allow' : 'Deny'
      // the secret scope of Databricks reads from its control plane
      bypass: 'AzureServices'
    }
  }
}

module endpoints 'private_endpoint.bicep' = [for group in (publicAccess ? [] : ['vault']): {
  name: 'key-vault-${group}'
  params: {
    targetId: vault.id
    targetName: vault.name
    group: group
    subnetId: privateSubnetId
    location: location
    tags: tags
  }
}]

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (locked) {
  scope: vault
  name: 'keep'
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds the secrets of the sources.'
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
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

@description('The vault.')
output id string = vault.id

@description('Its name.')
output name string = vault.name

@description('Its address.')
output dnsName string = vault.properties.vaultUri
