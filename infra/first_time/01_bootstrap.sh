#!/usr/bin/env bash
# Makes the resource group, the identities of GitHub and the budget of an environment. An Owner of the
# subscription runs it once; again, it changes nothing. Prints what GitHub has to know.
#
#     REPOSITORY=owner/name LOCATION=eastus2 ALERT_EMAIL=who@example.org BUDGET_START=2026-12-01 \
#       infra/first_time/01_bootstrap.sh dev|staging|prod
set -euo pipefail
source "$(dirname "$0")/common.sh"

take_target "${1:-}" "dev|staging|prod"
need REPOSITORY "owner/name, as GitHub knows it"
need LOCATION "the region, as az account list-locations names it"
need ALERT_EMAIL "who hears of alerts and of the budget, separated by commas"
need BUDGET_START "first day of this month; later runs give the same day again"

# the identity that deploys has rights in its resource group only, so it cannot do this
namespaces=$(grep --recursive --only-matching --no-filename --include '*.bicep' \
  "'Microsoft\.[A-Za-z]*/" "$root/infra/bicep" | tr -d "'/" | sort --unique)
for namespace in $namespaces; do
  az provider register --namespace "$namespace" --wait --output none
done

bootstrap=$(ENVIRONMENT=$target az deployment sub create --name "deepkt-bootstrap-$target" \
  --location "$LOCATION" --parameters "$root/infra/bicep/bootstrap.bicepparam" \
  --query properties.outputs --output json)
value() { jq --exit-status --raw-output --arg name "$1" '.[$name].value' <<< "$bootstrap"; }
deployer=$(value deployClientId)
group=$(value resourceGroupName)
tenant=$(az account show --query tenantId --output tsv)
subscription=$(az account show --query id --output tsv)
# Databricks itself, which reads the vault for secret scopes
databricks_object=$(az ad sp show --id 2ff814a6-3304-4ab8-85cb-cd0e6f879c1d --query id --output tsv)

variable() { # NAME VALUE [ENVIRONMENT]
  echo "gh variable set $1 --repo $REPOSITORY ${3:+--env $3 }--body '$2'"
}
echo "# For GitHub, by an administrator of the repository:"
echo "gh api --method PUT repos/$REPOSITORY/environments/$target"
variable AZURE_TENANT_ID "$tenant"
variable AZURE_SUBSCRIPTION_ID "$subscription"
variable AZURE_CLIENT_ID "$deployer" "$target"
variable RESOURCE_GROUP "$group" "$target"
variable DATABRICKS_CLIENT_ID "$deployer" "$target"
variable RUN_PRINCIPAL "$deployer" "$target"
variable DATABRICKS_SERVICE_OBJECT_ID "$databricks_object" "$target"
variable ALERT_EMAIL "$ALERT_EMAIL" "$target"
# these two are for pull requests, which have no environment
variable RESOURCE_GROUP_PREFIX "${group%-"$target"}"
variable "PLAN_CLIENT_ID_$(tr '[:lower:]' '[:upper:]' <<< "$target")" "$(value planClientId)"
echo "# What is there now:"
az resource list --resource-group "$group" --query "[].{name: name, type: type}" --output table
