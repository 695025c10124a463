// Data Factory with all it runs. The documents in ../adf are the one home of pipelines and what they
// use; here only what a deployment alone knows is put into them. Global parameters are not here: they
// hold the ids of the bundle's jobs, which are known after the bundle is deployed.

@description('Required. Name of the factory, unique in Azure.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Log Analytics workspace for diagnostics.')
param logAnalyticsId string

@description('Required. Whether it and what it reaches answer from outside the network.')
param publicAccess bool

@description('Required. Subnet of private endpoints.')
param privateSubnetId string

@description('Required. Identity by which it reaches everything.')
param identityId string

@description('Required. Storage account of the data lake.')
param storageAccountId string

@description('Required. Where the data lake addresses folders and files.')
param dataLakeUrl string

@description('Required. Where the data lake addresses blobs.')
param blobUrl string

@description('Required. Vault with the secrets of the sources.')
param keyVaultId string

@description('Required. Address of the vault.')
param keyVaultDnsName string

@description('Required. Databricks workspace whose jobs are started.')
param databricksId string

@description('Required. Address of that workspace.')
param databricksHost string

@description('Required. Address of the REST API; empty where there is none.')
param restApiUrl string

@description('Required. SQL Server as the self-hosted runtime sees it; empty where there is none.')
param sqlServerHost string

@description('Required. Its database; empty for the one in the document.')
param sqlServerDatabase string

@description('Required. Its user; empty for the one in the document.')
param sqlServerUser string

@description('Required. Sources whose files people drop into the inbox, each in the folder of its name.')
param fileDropSources array

var dataLakeDocument = loadJsonContent('../adf/linkedServices/data_lake.json')
var keyVaultDocument = loadJsonContent('../adf/linkedServices/key_vault.json')
var databricksDocument = loadJsonContent('../adf/linkedServices/databricks.json')
var sqlServerDocument = loadJsonContent('../adf/linkedServices/sql_server.json')
var restApiDocument = loadJsonContent('../adf/linkedServices/rest_api.json')
var dailyDocument = loadJsonContent('../adf/pipelines/daily_ingestion.json')
var weeklyDocument = loadJsonContent('../adf/pipelines/weekly_training.json')
var servingDocument = loadJsonContent('../adf/pipelines/model_serving.json')
var dailyTriggerDocument = loadJsonContent('../adf/triggers/daily_ingestion.json')
var weeklyTriggerDocument = loadJsonContent('../adf/triggers/weekly_training.json')
var servingTriggerDocument = loadJsonContent('../adf/triggers/model_serving.json')
var datasetDocuments = [
  loadJsonContent('../adf/datasets/lake_csv.json')
  loadJsonContent('../adf/datasets/lake_folder.json')
  loadJsonContent('../adf/datasets/lake_json.json')
  loadJsonContent('../adf/datasets/rest_responses.json')
  loadJsonContent('../adf/datasets/sql_responses.json')
]

var restApi = empty(restApiUrl) ? {} : { url: restApiUrl }
var sqlServer = empty(sqlServerHost) ? {} : { server: sqlServerHost }
var database = empty(sqlServerDatabase) ? {} : { database: sqlServerDatabase }
var user = empty(sqlServerUser) ? {} : { userName: sqlServerUser }

// Each awaits approval at its target, see docs/deployment.md.
var targets = publicAccess ? [] : [
  {
    name: 'data_lake_dfs'
    group: 'dfs'
    id: storageAccountId
  }
  {
    name: 'data_lake_blob'
    group: 'blob'
    id: storageAccountId
  }
  {
    name: 'key_vault'
    group: 'vault'
    id: keyVaultId
  }
  {
    name: 'databricks'
    group: 'databricks_ui_api'
    id: databricksId
  }
]

resource factory 'Microsoft.DataFactory/factories@2018-06-01' = {
  // checkov:skip=CKV_AZURE_103: all it runs is deployed from this repository, so the studio needs no other
  // checkov:skip=CKV_AZURE_104: by parameter: 'Disabled' unless publicAccess, which only dev sets
  name: name
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
  }
}

resource credential 'Microsoft.DataFactory/factories/credentials@2018-06-01' = {
  parent: factory
  name: 'data_factory_identity'
  properties: {
    type: 'ManagedIdentity'
    description: 'The identity by which the factory reaches everything.'
    typeProperties: {
      resourceId: identityId
    }
  }
}

resource managedNetwork 'Microsoft.DataFactory/factories/managedVirtualNetworks@2018-06-01' = {
  parent: factory
  name: 'default'
  properties: {}
}

@batchSize(1)
resource managedEndpoints 'Microsoft.DataFactory/factories/managedVirtualNetworks/managedPrivateEndpoints@2018-06-01' = [for target in targets: {
  parent: managedNetwork
  name: target.name
  properties: {
    groupId: target.group
    privateLinkResourceId: target.id
  }
}]

resource managedRuntime 'Microsoft.DataFactory/factories/integrationRuntimes@2018-06-01' = {
  parent: factory
  name: 'managed'
  properties: {
    type: 'Managed'
    description: 'For all that is in Azure or answers on the internet.'
    managedVirtualNetwork: {
      referenceName: managedNetwork.name
      type: 'ManagedVirtualNetworkReference'
    }
    typeProperties: {
      computeProperties: {
        location: 'AutoResolve'
      }
    }
  }
}

resource selfHostedRuntime 'Microsoft.DataFactory/factories/integrationRuntimes@2018-06-01' = {
  parent: factory
  name: 'self_hosted'
  properties: {
    type: 'SelfHosted'
    description: 'For the network of the district, in which somebody installs it.'
  }
}

resource dataLake 'Microsoft.DataFactory/factories/linkedservices@2018-06-01' = {
  parent: factory
  name: dataLakeDocument.name
  dependsOn: [credential, managedRuntime]
  properties: union(dataLakeDocument.properties, {
    typeProperties: {
      url: dataLakeUrl
    }
  })
}

resource keyVault 'Microsoft.DataFactory/factories/linkedservices@2018-06-01' = {
  parent: factory
  name: keyVaultDocument.name
  dependsOn: [credential, managedRuntime]
  properties: union(keyVaultDocument.properties, {
    typeProperties: {
      baseUrl: keyVaultDnsName
    }
  })
}

resource databricks 'Microsoft.DataFactory/factories/linkedservices@2018-06-01' = {
  parent: factory
  name: databricksDocument.name
  dependsOn: [credential, managedRuntime]
  properties: union(databricksDocument.properties, {
    typeProperties: {
      domain: databricksHost
      workspaceResourceId: databricksId
    }
  })
}

resource sqlServerService 'Microsoft.DataFactory/factories/linkedservices@2018-06-01' = {
  parent: factory
  name: sqlServerDocument.name
  dependsOn: [keyVault, selfHostedRuntime]
  properties: union(sqlServerDocument.properties, {
    typeProperties: union(sqlServer, database, user)
  })
}

resource restApiService 'Microsoft.DataFactory/factories/linkedservices@2018-06-01' = {
  parent: factory
  name: restApiDocument.name
  dependsOn: [keyVault, managedRuntime]
  properties: union(restApiDocument.properties, {
    typeProperties: restApi
  })
}

resource datasets 'Microsoft.DataFactory/factories/datasets@2018-06-01' = [for document in datasetDocuments: {
  parent: factory
  name: document.name
  dependsOn: [dataLake, restApiService, sqlServerService]
  properties: document.properties
}]

resource daily 'Microsoft.DataFactory/factories/pipelines@2018-06-01' = {
  parent: factory
  name: dailyDocument.name
  dependsOn: [datasets, databricks]
  properties: union(dailyDocument.properties, {
    parameters: {
      rest_api: {
        defaultValue: !empty(restApiUrl)
      }
      sql_server: {
        defaultValue: !empty(sqlServerHost)
      }
      file_drop: {
        defaultValue: fileDropSources
      }
      data_lake_url: {
        defaultValue: dataLakeUrl
      }
      blob_url: {
        defaultValue: blobUrl
      }
    }
  })
}

resource weekly 'Microsoft.DataFactory/factories/pipelines@2018-06-01' = {
  parent: factory
  name: weeklyDocument.name
  dependsOn: [databricks]
  properties: weeklyDocument.properties
}

resource serving 'Microsoft.DataFactory/factories/pipelines@2018-06-01' = {
  parent: factory
  name: servingDocument.name
  dependsOn: [databricks]
  properties: servingDocument.properties
}

// All arrive stopped. A started one cannot be changed: the workflow stops them first, and starts them last.
resource dailyTrigger 'Microsoft.DataFactory/factories/triggers@2018-06-01' = {
  parent: factory
  name: dailyTriggerDocument.name
  dependsOn: [daily]
  properties: dailyTriggerDocument.properties
}

resource weeklyTrigger 'Microsoft.DataFactory/factories/triggers@2018-06-01' = {
  parent: factory
  name: weeklyTriggerDocument.name
  dependsOn: [weekly]
  properties: weeklyTriggerDocument.properties
}

resource servingTrigger 'Microsoft.DataFactory/factories/triggers@2018-06-01' = {
  parent: factory
  name: servingTriggerDocument.name
  dependsOn: [serving]
  properties: servingTriggerDocument.properties
}

// the one by which runtimes call in, the other for people in the studio
module endpoints 'private_endpoint.bicep' = [for group in (publicAccess ? [] : ['dataFactory', 'portal']): {
  name: 'data-factory-${group}'
  params: {
    targetId: factory.id
    targetName: factory.name
    group: group
    subnetId: privateSubnetId
    location: location
    tags: tags
  }
}]

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: factory
  name: 'log-analytics'
  properties: {
    workspaceId: logAnalyticsId
    // a table for each kind of run, in place of one wide table
    logAnalyticsDestinationType: 'Dedicated'
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

@description('The factory.')
output id string = factory.id

@description('Its name.')
output name string = factory.name
