#!/usr/bin/env bash
# Makes the catalog of an environment and what it rests on: a storage credential of the access connector,
# external locations in the data lake, and the rights to use them; and a service credential, by which jobs
# sign in to Azure OpenAI. Whoever may create catalogs and credentials in the metastore runs it, after
# 04_principals.sh; again, it adds only what is missing.
#
#     infra/first_time/05_unity_catalog.sh dev|staging|prod
set -euo pipefail
source "$(dirname "$0")/common.sh"

take_target "${1:-}" "dev|staging|prod"
take_deployment
take_workspace
catalog=$(catalog_of "$target")
deployer=$(client_id deploy)
lake=$(output storageAccountName).dfs.core.windows.net
credential=deepkt_$target
unity=/api/2.1/unity-catalog

workspace_api get "$unity/current-metastore-assignment" > /dev/null ||
  stop "no metastore is assigned to the workspace: step 6 of docs/deployment.md"

ensure() { # KIND NAME BODY
  workspace_api get "$unity/$1/$2" > /dev/null 2>&1 || workspace_api post "$unity/$1" "$3" > /dev/null
}
location() { # NAME PLACE
  ensure external-locations "$1" "$(jq --null-input --arg name "$1" --arg url "abfss://$2" \
    --arg credential "$credential" '{name: $name, url: $url, credential_name: $credential}')"
}
grant() { # KIND NAME PRINCIPAL PRIVILEGE…
  local kind=$1 name=$2 principal=$3
  shift 3
  workspace_api patch "$unity/permissions/$kind/$name" "$(jq --null-input --arg principal "$principal" \
    '{changes: [{principal: $principal, add: $ARGS.positional}]}' --args "$@")" > /dev/null
}

connector=$(output accessConnectorId)
ensure storage-credentials "$credential" "$(jq --null-input --arg name "$credential" \
  --arg id "$connector" '{name: $name, azure_managed_identity: {access_connector_id: $id}}')"
# whoever may use it gets tokens of the identity that all tables rest on: the jobs' principal, nobody else
ensure credentials "${credential}_openai" "$(jq --null-input --arg name "${credential}_openai" --arg id "$connector" \
  '{name: $name, purpose: "SERVICE", azure_managed_identity: {access_connector_id: $id}}')"
grant credential "${credential}_openai" "$deployer" ACCESS

# where Data Factory lands: the volume bronze.landing of the bundle lies there
location "deepkt_${target}_uploads" "bronze@$lake/uploads"
grant external_location "deepkt_${target}_uploads" "$deployer" CREATE_EXTERNAL_VOLUME
# where tables and managed volumes lie; beside the uploads, since the two may not overlap
for container in bronze silver gold; do
  location "deepkt_${target}_$container" "$container@$lake/tables"
  grant external_location "deepkt_${target}_$container" "$deployer" CREATE_MANAGED_STORAGE
done

ensure catalogs "$catalog" "$(jq --null-input --arg name "$catalog" --arg place "abfss://silver@$lake/tables" \
  '{name: $name, storage_root: $place}')"
grant catalog "$catalog" "$deployer" USE_CATALOG CREATE_SCHEMA
for name in $(groups); do
  grant catalog "$catalog" "$name" USE_CATALOG
done
if [ "$target" = dev ]; then
  # there each engineer deploys a copy
  grant catalog "$catalog" deepkt-engineers CREATE_SCHEMA
fi

echo "# External locations:"
workspace_api get "$unity/external-locations" |
  jq --raw-output --arg prefix "deepkt_${target}_" \
    '.external_locations[]? | select(.name | startswith($prefix)) | "\(.name) \(.url)"'
for each in "catalog/$catalog" "credential/${credential}_openai"; do
  echo "# Rights on $each:"
  workspace_api get "$unity/permissions/$each" |
    jq --raw-output '.privilege_assignments[]? | "\(.principal) \(.privileges | join(","))"'
done
