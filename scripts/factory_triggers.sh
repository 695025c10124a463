#!/usr/bin/env bash
# Stops or starts the triggers of the Data Factory of a resource group, through the Azure CLI.
#
#     scripts/factory_triggers.sh stop|start RESOURCE_GROUP
#
# stop: those that run; without a factory there is nothing to stop. start: those this project declares.
set -euo pipefail

verb=${1:-} group=${2:-}
if [[ ! "$verb" =~ ^(stop|start)$ || -z "$group" ]]; then
  echo "usage: $0 stop|start RESOURCE_GROUP" >&2
  exit 2
fi
declared=$(dirname "$0")/../infra/bicep/adf/triggers
base=https://management.azure.com

factory=$(az resource list --resource-group "$group" --resource-type Microsoft.DataFactory/factories \
  --query "[].id" --output tsv)
if [ -z "$factory" ]; then
  [ "$verb" = stop ] && echo "no factory in $group yet" && exit 0
  echo "no factory in $group: deploy the templates first" >&2
  exit 1
fi
if [ "$verb" = stop ]; then
  names=$(az rest --method get --url "$base$factory/triggers?api-version=2018-06-01" \
    --query "value[?properties.runtimeState=='Started'].name" --output tsv)
else
  names=$(basename --suffix .json "$declared"/*.json)
fi
for name in $names; do
  az rest --method post --url "$base$factory/triggers/$name/$verb?api-version=2018-06-01" > /dev/null
  echo "$verb $name"
done
