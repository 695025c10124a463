// What an Owner of the subscription sets up once for each environment: its resource group, the identities
// by which GitHub deploys into it, and its budget. All else is main.bicep, which those identities deploy.

targetScope = 'subscription'

@description('Required. Which environment this is, in GitHub too.')
@allowed(['dev', 'staging', 'prod'])
param environmentName string

@description('Required. Region.')
@minLength(3)
param location string

@description('Required. Repository of GitHub, as <owner>/<name>.')
@minLength(3)
param repository string

@description('Required. Addresses that hear of the budget, separated by commas.')
@minLength(3)
param alertEmails string

@description('Required. First day of the month in which the budget begins, as yyyy-MM-dd; stays as it is at later runs.')
@minLength(10)
@maxLength(10)
param budgetStart string

@description('Optional. Amount a month, in the currency of the subscription.')
@minValue(1)
param budgetAmount int = 1000

@description('Optional. Short name of the product, which stands in every name.')
@minLength(2)
@maxLength(8)
param workload string = 'deepkt'

@description('Optional. Tags beside workload, environment and managedBy.')
param tags object = {}

var suffix = '${workload}-${environmentName}'
var allTags = union(tags, {
  workload: workload
  environment: environmentName
  managedBy: 'bicep'
})

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: 'rg-${suffix}'
  location: location
  tags: allTags
}

module deployer 'modules/deployer.bicep' = {
  name: 'deployer-${environmentName}'
  scope: group
  params: {
    suffix: suffix
    location: location
    tags: allTags
    repository: repository
    environmentName: environmentName
  }
}

module managedGroupAccess 'modules/managed_group_access.bicep' = {
  name: 'managed-group-access-${environmentName}'
  params: {
    suffix: suffix
    deployPrincipalId: deployer.outputs.deployPrincipalId
  }
}

module budget 'modules/budget.bicep' = {
  name: 'budget-${environmentName}'
  params: {
    name: 'budget-${suffix}'
    // the second is the one that main.bicep names for Databricks
    resourceGroupNames: [group.name, '${group.name}-databricks']
    amount: budgetAmount
    start: budgetStart
    emails: split(replace(alertEmails, ' ', ''), ',')
  }
}

@description('Resource group into which main.bicep is deployed: RESOURCE_GROUP of the environment of GitHub.')
output resourceGroupName string = group.name

@description('Application id of the identity that deploys: AZURE_CLIENT_ID of the environment of GitHub.')
output deployClientId string = deployer.outputs.deployClientId

@description('Application id of the identity that looks at what a pull request would change: PLAN_CLIENT_ID_<environment> of the repository.')
output planClientId string = deployer.outputs.planClientId
