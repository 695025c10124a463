// The data lake: where files are dropped and landed, and where tables lie.

@description('Required. Name of the storage account, unique in Azure.')
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

@description('Required. Access connector of Databricks, let in by its own identity.')
param accessConnectorId string

@description('Optional. Replication, to a second region too.')
@allowed(['Standard_GRS', 'Standard_RAGRS', 'Standard_GZRS', 'Standard_RAGZRS'])
param sku string = 'Standard_GRS'

@description('Required. Days after which a dropped file is deleted.')
param inboxDays int

@description('Required. Days for which what was deleted can be restored.')
param softDeleteDays int

@description('Required. Whether a lock keeps it from being deleted.')
param locked bool

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  // checkov:skip=CKV_AZURE_35: by parameter: 'Deny' unless publicAccess, which only dev sets
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    accessTier: 'Hot'
    isHnsEnabled: true
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    isLocalUserEnabled: false
    isSftpEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    encryption: {
      keySource: 'Microsoft.Storage'
      requireInfrastructureEncryption: true
    }
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    networkAcls: {
      defaultAction: publicAccess ? 'Allow' : 'Deny'
      bypass: 'AzureServices'
      resourceAccessRules: publicAccess ? [] : [
        {
          tenantId: tenant().tenantId
          resourceId: accessConnectorId
        }
      ]
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = [for container in ['bronze', 'silver', 'gold', 'inbox']: {
  parent: blobs
  name: container
  properties: {
    publicAccess: 'None'
  }
}]

// Only what came from outside ages here: tables are kept small by the jobs, which know what is in use.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: account
  name: 'default'
  dependsOn: [containers]
  properties: {
    policy: {
      rules: [
        {
          name: 'delete-dropped'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['inbox/']
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: inboxDays
                }
              }
            }
          }
        }
        {
          name: 'cool-landed'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: ['blockBlob']
              prefixMatch: ['bronze/uploads/']
            }
            actions: {
              baseBlob: {
                tierToCool: {
                  daysAfterModificationGreaterThan: 30
                }
              }
            }
          }
        }
      ]
    }
  }
}

module endpoints 'private_endpoint.bicep' = [for group in (publicAccess ? [] : ['blob', 'dfs']): {
  name: 'data-lake-${group}'
  params: {
    targetId: account.id
    targetName: account.name
    group: group
    subnetId: privateSubnetId
    location: location
    tags: tags
  }
}]

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (locked) {
  scope: account
  name: 'keep'
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds what students answered.'
  }
}

resource accountDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: account
  name: 'log-analytics'
  properties: {
    workspaceId: logAnalyticsId
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

// who read and wrote what
resource blobDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: blobs
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

@description('The storage account.')
output id string = account.id

@description('Its name.')
output name string = account.name

@description('Where folders and files are addressed.')
output dataLakeUrl string = 'https://${account.name}.dfs.${environment().suffixes.storage}'

@description('Where blobs are addressed.')
output blobUrl string = 'https://${account.name}.blob.${environment().suffixes.storage}'
