# shellcheck shell=bash
# What the scripts beside it share: where things are, and how Azure and Databricks are asked. Sourced after
# `set -euo pipefail`; it asks nothing by itself. Needs az, databricks and jq.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

stop() { # MESSAGE
  echo "$1" >&2
  exit 1
}

usage() { # ARGUMENTS: how the script is called
  echo "usage: $0 $1" >&2
  exit 2
}

need() { # VARIABLE WHAT-IT-IS
  [ -n "${!1:-}" ] || stop "set $1: $2"
}

take_target() { # TARGET ARGUMENTS: sets target and group
  [[ "$1" =~ ^(dev|staging|prod)$ ]] || usage "$2"
  target=$1
  group=${RESOURCE_GROUP:-rg-deepkt-$target}
}

take_deployment() { # sets outputs to what main.bicep gave
  outputs=$(az deployment group show --resource-group "$group" --name "deepkt-$target" \
    --query properties.outputs --output json) ||
    stop "main.bicep is not deployed to $group as deepkt-$target: step 3 of docs/deployment.md"
}

output() { # NAME: an output of main.bicep; of a list, one item a line
  jq --raw-output --arg name "$1" '.[$name].value | if type == "array" then .[]
    elif . == null then error("main.bicep gave no output " + $name) else . end' <<< "$outputs"
}

client_id() { # deploy|plan|data-factory: application id of an identity
  local found
  found=$(az identity list --resource-group "$group" \
    --query "[?name=='id-deepkt-$target-$1'].clientId" --output tsv)
  [ -n "$found" ] || stop "there is no identity id-deepkt-$target-$1 in $group: step 1 of docs/deployment.md"
  echo "$found"
}

resource_id() { # TYPE
  az resource list --resource-group "$group" --resource-type "$1" --query "[0].id" --output tsv
}

take_workspace() { # sets host and workspace_resource
  host=$(output databricksHost)
  workspace_resource=$(resource_id Microsoft.Databricks/workspaces)
}

# Both sign in as `az login` did, so that no profile and no token has to be made.
workspace_api() { # METHOD PATH [BODY]
  DATABRICKS_HOST=$host DATABRICKS_AZURE_RESOURCE_ID=$workspace_resource \
    DATABRICKS_AUTH_TYPE=azure-cli databricks api "$1" "$2" ${3:+--json "$3"}
}

need_account() {
  need DATABRICKS_ACCOUNT_ID "it stands in the account console, behind the icon of the user"
}

account_api() { # METHOD PATH-BELOW-THE-ACCOUNT [BODY]
  DATABRICKS_HOST=https://accounts.azuredatabricks.net DATABRICKS_AUTH_TYPE=azure-cli \
    databricks api "$1" "/api/2.0/accounts/$DATABRICKS_ACCOUNT_ID/$2" ${3:+--json "$3"}
}

factory_api() { # METHOD PATH-BELOW-THE-FACTORY
  az rest --method "$1" --output json \
    --url "https://management.azure.com$(output dataFactoryId)/$2?api-version=2018-06-01"
}

catalog_of() { # TARGET: as databricks.yml names it
  case "$1" in
    prod) echo deepkt ;;
    *) echo "deepkt_$1" ;;
  esac
}

groups() { # the account groups that the access rules speak of
  printf 'deepkt-%s\n' engineers analysts teachers privacy-officers
}

source_secrets() { # the secrets that linked services of the factory ask for
  jq --raw-output '.. | .secretName? // empty' "$root"/infra/bicep/adf/linkedServices/*.json
}
