// What people are woken for.

@description('Required. Ending of the names, such as deepkt-prod.')
param suffix string

@description('Required. Tags.')
param tags object

@description('Required. Action group that is called.')
param actionGroupId string

@description('Required. Data Factory.')
param dataFactoryId string

@description('Required. Storage account of the data lake.')
param storageAccountId string

@description('Required. Azure OpenAI account.')
param openAiId string

// a threshold of 0 means the first one; severity 1 is an error, 2 a warning
var rules = [
  {
    name: 'pipeline-failed'
    description: 'A pipeline failed: data did not land, or a job of the bundle failed.'
    severity: 1
    scope: dataFactoryId
    namespace: 'Microsoft.DataFactory/factories'
    metric: 'PipelineFailedRuns'
    dimensions: []
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'activity-failed'
    description: 'An activity failed, whether or not a repeat of it helped.'
    severity: 2
    scope: dataFactoryId
    namespace: 'Microsoft.DataFactory/factories'
    metric: 'ActivityFailedRuns'
    dimensions: []
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'trigger-failed'
    description: 'A trigger did not start its pipeline.'
    severity: 1
    scope: dataFactoryId
    namespace: 'Microsoft.DataFactory/factories'
    metric: 'TriggerFailedRuns'
    dimensions: []
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 0
  }
  {
    name: 'lake-unavailable'
    description: 'The data lake answered fewer than 99 of 100 requests.'
    severity: 1
    scope: storageAccountId
    namespace: 'Microsoft.Storage/storageAccounts'
    metric: 'Availability'
    dimensions: []
    aggregation: 'Average'
    operator: 'LessThan'
    threshold: 99
  }
  {
    name: 'lake-throttled'
    description: 'The data lake turned requests away because there were too many, or was too slow for them.'
    severity: 2
    scope: storageAccountId
    namespace: 'Microsoft.Storage/storageAccounts'
    metric: 'Transactions'
    dimensions: [
      {
        name: 'ResponseType'
        operator: 'Include'
        values: ['ClientThrottlingError', 'ServerBusyError', 'ServerTimeoutError', 'ServerOtherError']
      }
    ]
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 20
  }
  {
    name: 'openai-throttled'
    description: 'Azure OpenAI turned requests away; a larger capacity, or fewer at a time, helps.'
    severity: 2
    scope: openAiId
    namespace: 'Microsoft.CognitiveServices/accounts'
    metric: 'AzureOpenAIRequests'
    dimensions: [
      {
        name: 'StatusCode'
        operator: 'Include'
        values: ['429']
      }
    ]
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 20
  }
]

resource alerts 'Microsoft.Insights/metricAlerts@2018-03-01' = [for rule in rules: {
  name: '${rule.name}-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    description: rule.description
    severity: rule.severity
    enabled: true
    scopes: [rule.scope]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: rule.name
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: rule.namespace
          metricName: rule.metric
          dimensions: rule.dimensions
          timeAggregation: rule.aggregation
          operator: rule.operator
          threshold: rule.threshold
        }
      ]
    }
    autoMitigate: true
    actions: [
      {
        actionGroupId: actionGroupId
      }
    ]
  }
}]
