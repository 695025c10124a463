// The two identities of GitHub in the resource group of one environment: one deploys, the other looks.

@description('Required. Ending of the names, such as deepkt-prod.')
param suffix string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Repository of GitHub, as <owner>/<name>.')
param repository string

@description('Required. Environment of GitHub from which is deployed.')
param environmentName string

module deploy 'identity.bicep' = {
  name: 'identity-deploy'
  params: {
    name: 'id-${suffix}-deploy'
    location: location
    tags: tags
    subject: 'repo:${repository}:environment:${environmentName}'
  }
}

module plan 'identity.bicep' = {
  name: 'identity-plan'
  params: {
    name: 'id-${suffix}-plan'
    location: location
    tags: tags
    subject: 'repo:${repository}:pull_request'
  }
}

module assignments 'deployer_access.bicep' = {
  name: 'deployer-access'
  params: {
    suffix: suffix
    deployPrincipalId: deploy.outputs.principalId
    planPrincipalId: plan.outputs.principalId
  }
}

@description('Object id of the identity that deploys.')
output deployPrincipalId string = deploy.outputs.principalId

@description('Application id of the identity that deploys.')
output deployClientId string = deploy.outputs.clientId

@description('Application id of the identity that looks at what a pull request would change.')
output planClientId string = plan.outputs.clientId
