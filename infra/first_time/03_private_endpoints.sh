#!/usr/bin/env bash
# Shows who asked for a private connection to the lake, the vault, the workspace and the models. With `approve` it lets
# all in that are Pending, so look at the list first. An Owner or Contributor of the resource group runs it,
# after the first deployment and after 02_serverless_network.sh.
#
#     infra/first_time/03_private_endpoints.sh dev|staging|prod [approve]
set -euo pipefail
source "$(dirname "$0")/common.sh"

take_target "${1:-}" "dev|staging|prod [approve]"
[[ "${2:-}" =~ ^(approve)?$ ]] || usage "dev|staging|prod [approve]"
take_deployment
targets=$(output approvalTargets)
if [ -z "$targets" ]; then
  echo "$target answers publicly: nobody waits"
  exit 0
fi
state=properties.privateLinkServiceConnectionState.status

connections() { # TARGET COLUMNS [CONDITION]
  az network private-endpoint-connection list --id "$1" --query "[${3:-}].[$2]" --output tsv
}
if [ "${2:-}" = approve ]; then
  for each in $targets; do
    for waiting in $(connections "$each" id "?$state=='Pending'"); do
      az network private-endpoint-connection approve --id "$waiting" --description "$target" --output none
    done
  done
fi

echo "# Endpoints of Data Factory begin with $(output dataFactoryName), those of serverless tasks with databricks-,"
echo "# those in the network of $target with pe-. Do not approve when another name is Pending."
for each in $targets; do
  echo "# ${each##*/}"
  connections "$each" "$state, properties.privateEndpoint.id" |
    while read -r status endpoint; do echo "$status ${endpoint##*/}"; done
done
