#!/usr/bin/env bash
# Lets serverless tasks reach the private data lake and models: a network configuration of the Databricks account
# with endpoints to them, which the workspace uses. An account administrator runs it, after main.bicep was
# deployed; 03_private_endpoints.sh approves the endpoints. Where all is public there is nothing to do.
#
#     DATABRICKS_ACCOUNT_ID=… infra/first_time/02_serverless_network.sh dev|staging|prod
set -euo pipefail
source "$(dirname "$0")/common.sh"

take_target "${1:-}" "dev|staging|prod"
need_account
take_deployment
if [ -z "$(output approvalTargets)" ]; then
  echo "$target answers publicly: serverless tasks reach it as it is"
  exit 0
fi
name=deepkt-$target
lake=$(resource_id Microsoft.Storage/storageAccounts)
models=$(resource_id Microsoft.CognitiveServices/accounts)
region=$(az group show --name "$group" --query location --output tsv)

network_id() {
  account_api get network-connectivity-configs |
    jq --raw-output --arg name "$name" '.items[]? | select(.name == $name) | .network_connectivity_config_id'
}
rules() { account_api get "network-connectivity-configs/$network/private-endpoint-rules"; }

network=$(network_id)
if [ -z "$network" ]; then
  body=$(jq --null-input --arg name "$name" --arg region "$region" '{name: $name, region: $region}')
  account_api post network-connectivity-configs "$body" > /dev/null
  network=$(network_id)
fi
reached=$(rules | jq --raw-output '.items[]? | "\(.group_id) \(.resource_id // "" | ascii_downcase)"')
reach() { # SERVICE RESOURCE-ID
  if ! grep --quiet --line-regexp --fixed-strings "$1 ${2,,}" <<< "$reached"; then
    body=$(jq --null-input --arg id "$2" --arg group "$1" '{resource_id: $id, group_id: $group}')
    account_api post "network-connectivity-configs/$network/private-endpoint-rules" "$body" > /dev/null
  fi
}
reach dfs "$lake"
reach blob "$lake"
reach account "$models"
body=$(jq --null-input --arg id "$network" '{network_connectivity_config_id: $id}')
account_api patch "workspaces/$(output databricksWorkspaceId)?update_mask=network_connectivity_config_id" \
  "$body" > /dev/null

echo "# Network configuration $name; an endpoint is of use once it is ESTABLISHED:"
rules | jq --raw-output '.items[]? | "\(.connection_state) \(.group_id) \(.endpoint_name // "")"'
