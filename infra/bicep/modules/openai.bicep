// Azure OpenAI: a chat model that words explanations, and a model that embeds content.

@description('Required. Name of the account and of its address, unique in Azure.')
param name string

@description('Required. Region of the account, which must offer the models.')
param location string

@description('Required. Region of private endpoints.')
param networkLocation string

@description('Required. Tags.')
param tags object

@description('Required. Log Analytics workspace for diagnostics.')
param logAnalyticsId string

@description('Required. Whether it answers from outside the network.')
param publicAccess bool

@description('Required. Subnet of private endpoints.')
param privateSubnetId string

@description('Required. Whether a deleted account of this name is brought back.')
param restore bool

@description('Required. Where prompts are worked on: anywhere, in the data zone, or in the region.')
param deploymentSku string

@description('Required. Deployment that words explanations.')
param chatDeployment string

@description('Required. Model of that deployment.')
param chatModel string

@description('Required. Version of that model; empty for the default of the service.')
param chatModelVersion string

@description('Required. Thousands of tokens a minute of that deployment.')
@minValue(1)
param chatCapacity int

@description('Required. Deployment that embeds content.')
param embeddingDeployment string

@description('Required. Model of that deployment.')
param embeddingModel string

@description('Required. Version of that model; empty for the default of the service.')
param embeddingModelVersion string

@description('Required. Thousands of tokens a minute of that deployment.')
@minValue(1)
param embeddingCapacity int

// what is harmful is blocked from medium on, in what is asked and in what is answered
var harms = ['Hate', 'Sexual', 'Violence', 'Selfharm']
var harmsAsked = [for harm in harms: {
  name: harm
  source: 'Prompt'
  severityThreshold: 'Medium'
  enabled: true
  blocking: true
}]
var harmsAnswered = [for harm in harms: {
  name: harm
  source: 'Completion'
  severityThreshold: 'Medium'
  enabled: true
  blocking: true
}]
// the indirect attack is one that lies in a text the model is given, such as that of an item
var attacks = [for attack in ['Jailbreak', 'Indirect Attack']: {
  name: attack
  source: 'Prompt'
  enabled: true
  blocking: true
}]
var filters = concat(harmsAsked, harmsAnswered, attacks)

resource account 'Microsoft.CognitiveServices/accounts@2025-06-01' = {
  // checkov:skip=CKV_AZURE_134: by parameter: 'Disabled' unless publicAccess, which only dev sets
  // checkov:skip=CKV_AZURE_238: the account reaches no other resource, so it needs no identity
  name: name
  location: location
  tags: tags
  kind: 'OpenAI'
  sku: {
    name: 'S0'
  }
  properties: {
    customSubDomainName: name
    disableLocalAuth: true
    restore: restore
    restrictOutboundNetworkAccess: true
    allowedFqdnList: []
    publicNetworkAccess: publicAccess ? 'Enabled' : 'Disabled'
    networkAcls: {
      defaultAction: publicAccess ? 'Allow' : 'Deny'
    }
  }
}

resource contentFilter 'Microsoft.CognitiveServices/accounts/raiPolicies@2025-06-01' = {
  parent: account
  name: 'students'
  tags: tags
  properties: {
    basePolicyName: 'Microsoft.DefaultV2'
    mode: 'Blocking'
    contentFilters: filters
  }
}

resource chat 'Microsoft.CognitiveServices/accounts/deployments@2025-06-01' = {
  parent: account
  name: chatDeployment
  tags: tags
  sku: {
    name: deploymentSku
    capacity: chatCapacity
  }
  properties: {
    model: union({
      format: 'OpenAI'
      name: chatModel
    }, empty(chatModelVersion) ? {} : { version: chatModelVersion })
    raiPolicyName: contentFilter.name
    versionUpgradeOption: 'OnceCurrentVersionExpired'
  }
}

resource embedding 'Microsoft.CognitiveServices/accounts/deployments@2025-06-01' = {
  parent: account
  name: embeddingDeployment
  tags: tags
  // the account takes one change at a time
  dependsOn: [chat]
  sku: {
    name: deploymentSku
    capacity: embeddingCapacity
  }
  properties: {
    model: union({
      format: 'OpenAI'
      name: embeddingModel
    }, empty(embeddingModelVersion) ? {} : { version: embeddingModelVersion })
    // another version is another space of embeddings, so the index would have to be made anew
    versionUpgradeOption: 'NoAutoUpgrade'
  }
}

// after the deployments, since the account takes one change at a time
module endpoints 'private_endpoint.bicep' = [for group in (publicAccess ? [] : ['account']): {
  name: 'openai-${group}'
  dependsOn: [embedding]
  params: {
    targetId: account.id
    targetName: account.name
    group: group
    subnetId: privateSubnetId
    location: networkLocation
    tags: tags
  }
}]

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: account
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

@description('The account.')
output id string = account.id

@description('Its name.')
output name string = account.name

@description('Its address.')
output endpoint string = account.properties.endpoint
