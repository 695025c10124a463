#!/usr/bin/env bash
# Says whether the runtime in the district's network is there; with `key`, prints the key with which
# 08_self_hosted_runtime.ps1 registers a machine as one. The key is a secret: pipe it to where it is needed.
#
#     infra/first_time/08_self_hosted_runtime.sh dev|staging|prod [key]
set -euo pipefail
source "$(dirname "$0")/common.sh"

take_target "${1:-}" "dev|staging|prod [key]"
take_deployment
runtime=integrationRuntimes/self_hosted
case "${2:-}" in
  key)
    factory_api post $runtime/listAuthKeys | jq --exit-status --raw-output .authKey1
    ;;
  "")
    found=$(factory_api post $runtime/getStatus)
    jq --raw-output '"\(.properties.state) \(.properties.typeProperties.version // "")"' <<< "$found"
    jq --exit-status '.properties.state == "Online"' <<< "$found" > /dev/null ||
      stop "register a machine with 08_self_hosted_runtime.ps1, see docs/deployment.md"
    ;;
  *) usage "dev|staging|prod [key]" ;;
esac
