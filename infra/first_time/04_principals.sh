#!/usr/bin/env bash
# Makes the account groups that the access rules speak of, makes the identities of GitHub and of Data Factory
# known to Databricks, and lets all of them into the workspace. An account administrator who also administers
# the workspace runs it, after main.bicep was deployed; again, it adds only what is missing.
#
#     REPOSITORY=owner/name DATABRICKS_ACCOUNT_ID=… infra/first_time/04_principals.sh dev|staging|prod
set -euo pipefail
source "$(dirname "$0")/common.sh"

take_target "${1:-}" "dev|staging|prod"
need REPOSITORY "owner/name, as GitHub knows it"
need_account
take_deployment
take_workspace
workspace_id=$(output databricksWorkspaceId)
deployer=$(client_id deploy)

known() { # KIND ATTRIBUTE VALUE: number of a group or a service principal
  account_api get "scim/v2/$1?filter=$2%20eq%20%22$3%22" | jq --raw-output '.Resources[0].id // empty'
}
ensure() { # KIND ATTRIBUTE VALUE BODY: the same, made if it is not there
  local number
  number=$(known "$1" "$2" "$3")
  [ -n "$number" ] || number=$(account_api post "scim/v2/$1" "$4" | jq --exit-status --raw-output .id)
  echo "$number"
}
group_number() { # NAME
  ensure Groups displayName "$1" "$(jq --null-input --arg name "$1" \
    '{schemas: ["urn:ietf:params:scim:schemas:core:2.0:Group"], displayName: $name}')"
}
principal_number() { # APPLICATION-ID NAME
  ensure ServicePrincipals applicationId "$1" "$(jq --null-input --arg id "$1" --arg name "$2" \
    '{schemas: ["urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal"],
      applicationId: $id, displayName: $name, active: true}')"
}
let_in() { # NUMBER
  account_api put "workspaces/$workspace_id/permissionassignments/principals/$1" \
    '{"permissions": ["USER"]}' > /dev/null
}
entitle() { # NUMBER ENTITLEMENT…
  local number=$1
  shift
  workspace_api patch "/api/2.0/preview/scim/v2/ServicePrincipals/$number" "$(jq --null-input '
    {schemas: ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
     Operations: [{op: "add", path: "entitlements", value: [$ARGS.positional[] | {value: .}]}]}' \
    --args "$@")" > /dev/null
}

for name in $(groups); do
  number=$(group_number "$name")
  let_in "$number"
done
deployer_number=$(principal_number "$deployer" "id-deepkt-$target-deploy")
let_in "$deployer_number"
# it makes the warehouse, and its jobs start clusters
entitle "$deployer_number" workspace-access databricks-sql-access allow-cluster-create
factory_number=$(principal_number "$(output dataFactoryPrincipal)" "id-deepkt-$target-data-factory")
let_in "$factory_number"
entitle "$factory_number" workspace-access

policies=servicePrincipals/$deployer_number/federationPolicies
subject=repo:$REPOSITORY:environment:$target
trusted() { account_api get "$policies" | jq --raw-output '.policies[]?.oidc_policy.subject'; }
subjects=$(trusted)
if ! grep --quiet --line-regexp --fixed-strings "$subject" <<< "$subjects"; then
  body=$(jq --null-input --arg subject "$subject" --arg audience "$DATABRICKS_ACCOUNT_ID" \
    '{oidc_policy: {issuer: "https://token.actions.githubusercontent.com", audiences: [$audience], subject: $subject}}')
  account_api post "$policies" "$body" > /dev/null
fi

echo "# GitHub is trusted as $deployer from:"
trusted
echo "# Let into the workspace:"
account_api get "workspaces/$workspace_id/permissionassignments" |
  jq --raw-output '.permission_assignments[]? | "\(.permissions | join(",")) \(.principal.display_name)"'
