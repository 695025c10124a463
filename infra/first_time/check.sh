#!/usr/bin/env bash
# Walks through the first-time steps of an environment and says of each whether it is done. It reads, and
# changes nothing. What needs rights that you do not have counts as missing; with DATABRICKS_ACCOUNT_ID set,
# the steps in the Databricks account are looked at, too. Ends with 1 if anything is missing.
# SCHEDULER is as on GitHub: workflows wants the triggers of Data Factory stopped.
#
#     [SCHEDULER=workflows] infra/first_time/check.sh dev|staging|prod
# shellcheck disable=SC2329  # what is checked is called by its name
set -euo pipefail
source "$(dirname "$0")/common.sh"

take_target "${1:-}" "dev|staging|prod"
missing=0
check() { # WHAT REMEDY COMMAND…
  local what=$1 remedy=$2
  shift 2
  if ("$@") > /dev/null 2>&1; then
    echo "ok       $what"
  else
    echo "missing  $what: $remedy"
    missing=1
  fi
}

connections_are_approved() {
  local each waiting
  for each in $(output approvalTargets); do
    waiting=$(az network private-endpoint-connection list --id "$each" --output tsv --query \
      "[?properties.privateLinkServiceConnectionState.status=='Pending'].id") || return 1
    [ -z "$waiting" ] || return 1
  done
}
serverless_network_is_there() {
  [ -z "$(output approvalTargets)" ] ||
    account_api get "workspaces/$(output databricksWorkspaceId)" |
    jq --exit-status '.network_connectivity_config_id != null'
}
github_is_trusted() {
  local number
  number=$(account_api get "scim/v2/ServicePrincipals?filter=applicationId%20eq%20%22$(client_id deploy)%22" |
    jq --exit-status --raw-output '.Resources[0].id') || return 1
  account_api get "servicePrincipals/$number/federationPolicies" |
    jq --exit-status --arg ending ":environment:$target" \
      'any(.policies[]?; .oidc_policy.subject | endswith($ending))'
}
in_workspace() { # Groups|ServicePrincipals ATTRIBUTE VALUE
  workspace_api get "/api/2.0/preview/scim/v2/$1?filter=$2%20eq%20%22$3%22" |
    jq --exit-status '(.Resources // []) | length > 0'
}
unity() { workspace_api get "/api/2.1/unity-catalog/$1"; } # PATH
models_are_deployed() {
  local account
  account=$(resource_id Microsoft.CognitiveServices/accounts)
  az rest --method get --output json \
    --url "https://management.azure.com$account/deployments?api-version=2025-06-01" |
    jq --exit-status --arg chat "$(output chatDeployment)" --arg embedding "$(output embeddingDeployment)" \
      '[.value[].name] | contains([$chat, $embedding])'
}
source_is_on() { # rest_api|sql_server
  jq --exit-status --arg name "$1" '.properties.parameters[$name].defaultValue' <<< "$pipeline" > /dev/null
}
secret_is_there() { # NAME
  az keyvault secret show --id "$(output keyVaultDnsName)secrets/$1" --query id --output none
}
runtime_is_online() {
  factory_api post integrationRuntimes/self_hosted/getStatus | jq --exit-status '.properties.state == "Online"'
}
jobs_are_known() {
  factory_api get globalParameters/default |
    jq --exit-status \
      '.properties | has("daily_ingestion_job_id") and has("weekly_training_job_id") and has("model_serving_job_id")'
}
trigger_is() { # Started|Stopped NAME
  factory_api get "triggers/$2" | jq --exit-status --arg state "$1" '.properties.runtimeState == $state'
}

check "resource group $group" "01_bootstrap.sh" az group show --name "$group"
check "identity that deploys" "01_bootstrap.sh" client_id deploy
check "identity that plans" "01_bootstrap.sh" client_id plan
check "deployment deepkt-$target" "step 3 of docs/deployment.md; all that follows needs it" take_deployment
if [ "$missing" = 1 ]; then
  exit 1
fi
take_deployment
take_workspace
check "models at $(output openAiEndpoint)" "deploy again" models_are_deployed
check "private connections" "03_private_endpoints.sh" connections_are_approved
if [ -n "${DATABRICKS_ACCOUNT_ID:-}" ]; then
  check "network of serverless tasks" "02_serverless_network.sh" serverless_network_is_there
  check "trust in GitHub" "04_principals.sh" github_is_trusted
else
  echo "not seen the Databricks account: set DATABRICKS_ACCOUNT_ID"
fi
for name in $(groups); do
  check "group $name" "04_principals.sh" in_workspace Groups displayName "$name"
done
check "deploying identity in the workspace" "04_principals.sh" \
  in_workspace ServicePrincipals applicationId "$(client_id deploy)"
check "Data Factory in the workspace" "04_principals.sh" \
  in_workspace ServicePrincipals applicationId "$(output dataFactoryPrincipal)"
check "metastore" "step 6 of docs/deployment.md" unity current-metastore-assignment
check "storage credential deepkt_$target" "05_unity_catalog.sh" unity "storage-credentials/deepkt_$target"
check "service credential deepkt_${target}_openai" "05_unity_catalog.sh" unity "credentials/deepkt_${target}_openai"
for name in uploads bronze silver gold; do
  name=deepkt_${target}_$name
  check "external location $name" "05_unity_catalog.sh" unity "external-locations/$name"
done
check "catalog $(catalog_of "$target")" "05_unity_catalog.sh" unity "catalogs/$(catalog_of "$target")"
pipeline=$(factory_api get pipelines/daily_ingestion) || pipeline={}
if source_is_on rest_api; then
  check "secret rest-api-authorization" "07_secrets.sh" secret_is_there rest-api-authorization
fi
if source_is_on sql_server; then
  check "secret sql-server-password" "07_secrets.sh" secret_is_there sql-server-password
  check "self-hosted runtime" "08_self_hosted_runtime.ps1" runtime_is_online
fi
check "job ids in Data Factory" "the deploy workflow" jobs_are_known
wanted=Started verb=start
if [ "${SCHEDULER:-data_factory}" = workflows ]; then
  wanted=Stopped verb=stop
fi
for file in "$root"/infra/bicep/adf/triggers/*.json; do
  name=$(basename "$file" .json)
  check "trigger $name ${wanted,,}" "the deploy workflow, or scripts/factory_triggers.sh $verb $group" \
    trigger_is "$wanted" "$name"
done
exit "$missing"
