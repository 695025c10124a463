// What the identities of GitHub may do in the resource group of one environment.

@description('Required. Ending of the names, such as deepkt-prod.')
param suffix string

@description('Required. Object id of the identity that deploys.')
param deployPrincipalId string

@description('Required. Object id of the identity that looks.')
param planPrincipalId string

var contributor = 'b24988ac-6180-42a0-ab88-20f7382dd24c'
var reader = 'acdd72a7-3385-48ef-bd42-f606fba81ae7'
var roleBasedAccessControlAdministrator = 'f58310d9-a9f6-439a-9e8d-f62e7b41a168'

// what access.bicep assigns; no other role can be given or taken away by the deployment
var assignable = [
  'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  '4633458b-17de-408a-b874-0445c86b69e6'
  '5e0bd9bd-7b93-4f28-af87-19fc36ad61bd'
]
var roles = '{${join(assignable, ', ')}}'
var written = '@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals ${roles} AND @Request[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {\'ServicePrincipal\'}'
var deleted = '@Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals ${roles} AND @Resource[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {\'ServicePrincipal\'}'
var onlyThese = '((!(ActionMatches{\'Microsoft.Authorization/roleAssignments/write\'})) OR (${written})) AND ((!(ActionMatches{\'Microsoft.Authorization/roleAssignments/delete\'})) OR (${deleted}))'

resource lockRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'locks')
  properties: {
    roleName: 'Locks of ${suffix} (${uniqueString(resourceGroup().id)})'
    description: 'Sets and takes away the locks that keep data from being deleted.'
    type: 'CustomRole'
    permissions: [
      {
        actions: ['Microsoft.Authorization/locks/*']
        notActions: []
      }
    ]
    assignableScopes: [resourceGroup().id]
  }
}

// to compute what would change is an action of its own, which a reader may not do
resource previewRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'preview')
  properties: {
    roleName: 'Preview of ${suffix} (${uniqueString(resourceGroup().id)})'
    description: 'Computes what a deployment would change, and changes nothing.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.Resources/deployments/validate/action'
          'Microsoft.Resources/deployments/whatIf/action'
        ]
        notActions: []
      }
    ]
    assignableScopes: [resourceGroup().id]
  }
}

resource deploys 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, deployPrincipalId, contributor)
  properties: {
    principalId: deployPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', contributor)
  }
}

resource givesAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, deployPrincipalId, roleBasedAccessControlAdministrator)
  properties: {
    principalId: deployPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleBasedAccessControlAdministrator)
    condition: onlyThese
    conditionVersion: '2.0'
  }
}

resource locks 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, deployPrincipalId, lockRole.name)
  properties: {
    principalId: deployPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: lockRole.id
  }
}

resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, planPrincipalId, reader)
  properties: {
    principalId: planPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', reader)
  }
}

resource previews 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, planPrincipalId, previewRole.name)
  properties: {
    principalId: planPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: previewRole.id
  }
}
