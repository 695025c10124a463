// Who may do what here. The list of all assignments is role_assignments.json, against which these are checked.

@description('Required. Storage account of the data lake.')
param storageAccountName string

@description('Required. Vault with the secrets of the sources.')
param keyVaultName string

@description('Required. Azure OpenAI account.')
param openAiName string

@description('Required. Object id of the identity of Data Factory.')
param dataFactoryPrincipalId string

@description('Required. Object id of the identity of the access connector.')
param accessConnectorPrincipalId string

@description('Required. Object id of the service principal AzureDatabricks of the tenant, which reads the secret scope; empty where there is none yet.')
param databricksServicePrincipalId string

var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var storageBlobDataReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var cognitiveServicesOpenAiUser = '5e0bd9bd-7b93-4f28-af87-19fc36ad61bd'

var governed = ['bronze', 'silver', 'gold']

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

resource bronze 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: blobs
  name: 'bronze'
}

resource inbox 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: blobs
  name: 'inbox'
}

resource governedContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = [for container in governed: {
  parent: blobs
  name: container
}]

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: keyVaultName
}

resource openAi 'Microsoft.CognitiveServices/accounts@2025-06-01' existing = {
  name: openAiName
}

// lands files, and keeps beside them how far each source was landed
resource landing 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: bronze
  name: guid(bronze.id, dataFactoryPrincipalId, storageBlobDataContributor)
  properties: {
    principalId: dataFactoryPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
  }
}

resource dropped 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: inbox
  name: guid(inbox.id, dataFactoryPrincipalId, storageBlobDataReader)
  properties: {
    principalId: dataFactoryPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataReader)
  }
}

resource sourceSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, dataFactoryPrincipalId, keyVaultSecretsUser)
  properties: {
    principalId: dataFactoryPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
  }
}

// Unity Catalog acts by it, and decides itself who sees which table
resource tables 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (container, i) in governed: {
  scope: governedContainers[i]
  name: guid(governedContainers[i].id, accessConnectorPrincipalId, storageBlobDataContributor)
  properties: {
    principalId: accessConnectorPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
  }
}]

// jobs ask the models by a service credential that stands for it, as their principal has no token of Azure
resource explanations 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: openAi
  name: guid(openAi.id, accessConnectorPrincipalId, cognitiveServicesOpenAiUser)
  properties: {
    principalId: accessConnectorPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', cognitiveServicesOpenAiUser)
  }
}

resource secretScope 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(databricksServicePrincipalId)) {
  scope: vault
  name: guid(vault.id, databricksServicePrincipalId, keyVaultSecretsUser)
  properties: {
    principalId: databricksServicePrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
  }
}
