// Databricks makes a resource group for its machines, and asks whether the one who deploys may make groups.

targetScope = 'subscription'

@description('Required. Ending of the names, such as deepkt-prod.')
param suffix string

@description('Required. Object id of the identity that deploys.')
param deployPrincipalId string

resource groupRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, suffix, 'resource groups')
  properties: {
    roleName: 'Resource groups of ${suffix} (${uniqueString(subscription().id)})'
    description: 'Makes resource groups and names them; neither what is in them nor their end.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.Resources/subscriptions/resourceGroups/read'
          'Microsoft.Resources/subscriptions/resourceGroups/write'
        ]
        notActions: []
      }
    ]
    assignableScopes: [subscription().id]
  }
}

resource makesGroups 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, deployPrincipalId, groupRole.name)
  properties: {
    principalId: deployPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: groupRole.id
  }
}
