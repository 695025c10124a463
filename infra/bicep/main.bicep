// All of one environment that lies in its resource group. bootstrap.bicep comes before it, once.

targetScope = 'resourceGroup'

@description('Required. Which environment this is.')
@allowed(['dev', 'staging', 'prod'])
param environmentName string

@description('Required. Addresses that hear of alerts, separated by commas.')
@minLength(3)
param alertEmails string

@description('Optional. Short name of the product, which stands in every name.')
@minLength(2)
@maxLength(8)
param workload string = 'deepkt'

@description('Optional. Region.')
param location string = resourceGroup().location

@description('Optional. Tags beside workload, environment and managedBy.')
param tags object = {}

@description('Optional. Whether services answer from outside the virtual network.')
param publicAccess bool = false

@description('Optional. Whether locks keep the data lake, the vault and the workspace from being deleted.')
param locks bool = false

@description('Optional. Whether a deleted vault and Azure OpenAI account of the same names are brought back: after the environment was destroyed, once.')
param recoverDeleted bool = false

@description('Optional. The first two numbers of all addresses in the virtual network.')
param addressPrefix string = '10.40'

@description('Optional. Whether sign-in to Databricks by browser has its private endpoint here; where environments share private zones, in one of them.')
param browserAuthentication bool = true

@description('Optional. Replication of the data lake.')
@allowed(['Standard_GRS', 'Standard_RAGRS', 'Standard_GZRS', 'Standard_RAGZRS'])
param storageSku string = 'Standard_GRS'

@description('Optional. Days after which a dropped file is deleted.')
@minValue(1)
param inboxDays int = 30

@description('Optional. Days for which deleted files can be restored.')
@minValue(7)
@maxValue(365)
param softDeleteDays int = 14

@description('Optional. Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logDays int = 90

@description('Optional. Gigabytes of logs taken in a day at most.')
@minValue(1)
param logQuotaGb int = 5

@description('Optional. Region of Azure OpenAI, which must offer the models; empty for that of all else.')
param openAiLocation string = ''

@description('Optional. Where prompts are worked on: anywhere, in the data zone, or in the region.')
@allowed(['GlobalStandard', 'DataZoneStandard', 'Standard'])
param deploymentSku string = 'GlobalStandard'

@description('Optional. Deployment that words explanations; the bundle knows it by this name, whatever the model.')
param chatDeployment string = 'gpt-4o'

@description('Optional. Model of that deployment, such as gpt-4o where it can still be deployed.')
param chatModel string = 'gpt-5.4-mini'

@description('Optional. Version of that model; empty for the default of the service.')
param chatModelVersion string = ''

@description('Optional. Thousands of tokens a minute of that deployment.')
@minValue(1)
param chatCapacity int = 50

@description('Optional. Deployment that embeds content.')
param embeddingDeployment string = 'text-embedding-3-large'

@description('Optional. Model of that deployment.')
param embeddingModel string = 'text-embedding-3-large'

@description('Optional. Version of that model; empty for the default of the service.')
param embeddingModelVersion string = '1'

@description('Optional. Thousands of tokens a minute of that deployment.')
@minValue(1)
param embeddingCapacity int = 100

@description('Optional. Address of the REST API of the learning system; empty leaves this source out.')
param restApiUrl string = ''

@description('Optional. SQL Server as the self-hosted runtime sees it; empty leaves this source out.')
param sqlServerHost string = ''

@description('Optional. Its database; empty for responses.')
param sqlServerDatabase string = ''

@description('Optional. Its user; empty for deepkt_reader.')
param sqlServerUser string = ''

@description('Optional. Sources whose files people drop into the inbox, each in the folder of its name.')
param fileDropSources array = []

@description('Optional. Object id of the service principal AzureDatabricks of the tenant, which reads the secret scope; empty where there is none yet.')
param databricksServicePrincipalId string = ''

// the same at every deployment, and another for every resource group
var seed = uniqueString(resourceGroup().id, workload, environmentName)
var suffix = '${workload}-${environmentName}'
var allTags = union(tags, {
  workload: workload
  environment: environmentName
  managedBy: 'bicep'
})

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    name: 'log-${suffix}'
    location: location
    tags: allTags
    retentionDays: logDays
    dailyQuotaGb: logQuotaGb
    actionGroupName: 'ag-${suffix}'
    emails: split(replace(alertEmails, ' ', ''), ',')
  }
}

module network 'modules/network.bicep' = {
  name: 'network'
  params: {
    suffix: suffix
    location: location
    tags: allTags
    logAnalyticsId: monitoring.outputs.logAnalyticsId
    addressPrefix: addressPrefix
    publicAccess: publicAccess
  }
}

module dataFactoryIdentity 'modules/identity.bicep' = {
  name: 'data-factory-identity'
  params: {
    name: 'id-${suffix}-data-factory'
    location: location
    tags: allTags
  }
}

module databricks 'modules/databricks.bicep' = {
  name: 'databricks'
  params: {
    name: 'dbw-${suffix}'
    accessConnectorName: 'dbac-${suffix}'
    managedResourceGroupName: '${resourceGroup().name}-databricks'
    location: location
    tags: allTags
    logAnalyticsId: monitoring.outputs.logAnalyticsId
    publicAccess: publicAccess
    privateSubnetId: network.outputs.privateSubnetId
    browserAuthentication: browserAuthentication
    networkId: network.outputs.networkId
    hostSubnetName: network.outputs.hostSubnetName
    containerSubnetName: network.outputs.containerSubnetName
    locked: locks
  }
}

module dataLake 'modules/data_lake.bicep' = {
  name: 'data-lake'
  params: {
    name: take(toLower('${workload}${environmentName}${seed}'), 24)
    location: location
    tags: allTags
    logAnalyticsId: monitoring.outputs.logAnalyticsId
    publicAccess: publicAccess
    privateSubnetId: network.outputs.privateSubnetId
    accessConnectorId: databricks.outputs.accessConnectorId
    sku: storageSku
    inboxDays: inboxDays
    softDeleteDays: softDeleteDays
    locked: locks
  }
}

module keyVault 'modules/key_vault.bicep' = {
  name: 'key-vault'
  params: {
    name: 'kv-${environmentName}-${seed}'
    location: location
    tags: allTags
    logAnalyticsId: monitoring.outputs.logAnalyticsId
    publicAccess: publicAccess
    privateSubnetId: network.outputs.privateSubnetId
    recover: recoverDeleted
    locked: locks
  }
}

module openAi 'modules/openai.bicep' = {
  name: 'openai'
  params: {
    name: 'oai-${suffix}-${seed}'
    location: empty(openAiLocation) ? location : openAiLocation
    networkLocation: location
    tags: allTags
    logAnalyticsId: monitoring.outputs.logAnalyticsId
    publicAccess: publicAccess
    privateSubnetId: network.outputs.privateSubnetId
    restore: recoverDeleted
    deploymentSku: deploymentSku
    chatDeployment: chatDeployment
    chatModel: chatModel
    chatModelVersion: chatModelVersion
    chatCapacity: chatCapacity
    embeddingDeployment: embeddingDeployment
    embeddingModel: embeddingModel
    embeddingModelVersion: embeddingModelVersion
    embeddingCapacity: embeddingCapacity
  }
}

module dataFactory 'modules/data_factory.bicep' = {
  name: 'data-factory'
  params: {
    name: 'adf-${suffix}-${seed}'
    location: location
    tags: allTags
    logAnalyticsId: monitoring.outputs.logAnalyticsId
    publicAccess: publicAccess
    privateSubnetId: network.outputs.privateSubnetId
    identityId: dataFactoryIdentity.outputs.id
    storageAccountId: dataLake.outputs.id
    dataLakeUrl: dataLake.outputs.dataLakeUrl
    blobUrl: dataLake.outputs.blobUrl
    keyVaultId: keyVault.outputs.id
    keyVaultDnsName: keyVault.outputs.dnsName
    databricksId: databricks.outputs.id
    databricksHost: databricks.outputs.host
    restApiUrl: restApiUrl
    sqlServerHost: sqlServerHost
    sqlServerDatabase: sqlServerDatabase
    sqlServerUser: sqlServerUser
    fileDropSources: fileDropSources
  }
}

module access 'modules/access.bicep' = {
  name: 'access'
  params: {
    storageAccountName: dataLake.outputs.name
    keyVaultName: keyVault.outputs.name
    openAiName: openAi.outputs.name
    dataFactoryPrincipalId: dataFactoryIdentity.outputs.principalId
    accessConnectorPrincipalId: databricks.outputs.accessConnectorPrincipalId
    databricksServicePrincipalId: databricksServicePrincipalId
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    suffix: suffix
    tags: allTags
    actionGroupId: monitoring.outputs.actionGroupId
    dataFactoryId: dataFactory.outputs.id
    storageAccountId: dataLake.outputs.id
    openAiId: openAi.outputs.id
  }
}

@description('Address of the Databricks workspace: DATABRICKS_HOST.')
output databricksHost string = databricks.outputs.host

@description('Number of the workspace, by which the account console assigns a metastore and a network configuration.')
output databricksWorkspaceId string = databricks.outputs.workspaceId

@description('Access connector, of which the credentials of Unity Catalog are made.')
output accessConnectorId string = databricks.outputs.accessConnectorId

@description('Storage account of the data lake: the variable storage_account of the bundle.')
output storageAccountName string = dataLake.outputs.name

@description('Address of the vault: the variable key_vault_dns_name of the bundle.')
output keyVaultDnsName string = keyVault.outputs.dnsName

@description('The vault: the variable key_vault_resource_id of the bundle.')
output keyVaultResourceId string = keyVault.outputs.id

@description('Data Factory, whose global parameters and triggers the workflow sets.')
output dataFactoryId string = dataFactory.outputs.id

@description('Its name, with which the self-hosted runtime is registered.')
output dataFactoryName string = dataFactory.outputs.name

@description('Application id of the identity of Data Factory: the variable data_factory_principal of the bundle.')
output dataFactoryPrincipal string = dataFactoryIdentity.outputs.clientId

@description('Address of Azure OpenAI.')
output openAiEndpoint string = openAi.outputs.endpoint

@description('Deployment that words explanations, as chat.deployment in the variable explanation_settings of the bundle.')
output chatDeployment string = chatDeployment

@description('Deployment that embeds content, if content.model in the variable content_settings of the bundle names it.')
output embeddingDeployment string = embeddingDeployment

@description('Resources at which private endpoints of the factory and of serverless tasks await approval; none where all is public.')
output approvalTargets array = publicAccess ? [] : [
  dataLake.outputs.id
  keyVault.outputs.id
  databricks.outputs.id
  openAi.outputs.id
]
