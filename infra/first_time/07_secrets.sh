#!/usr/bin/env bash
# Puts the secrets of the sources into the vault. They are typed and shown nowhere: not on the screen, not as
# arguments of a program, and no file holds them. Whoever is Key Vault Secrets Officer on the vault runs it;
# where the vault is private, on a machine in its network.
#
#     infra/first_time/07_secrets.sh dev|staging|prod [NAME…]
#
# Without names it asks for all; an empty answer leaves a secret as it is.
set -euo pipefail
source "$(dirname "$0")/common.sh"

take_target "${1:-}" "dev|staging|prod [NAME…]"
shift
known=$(source_secrets)
for name in "$@"; do
  grep --quiet --line-regexp --fixed-strings "$name" <<< "$known" ||
    stop "$name is no secret of a source; there are: $(tr '\n' ' ' <<< "$known")"
done
take_deployment
vault=$(output keyVaultResourceId)
vault=${vault##*/}

# shellcheck disable=SC2086  # one argument for each name
[ $# -gt 0 ] || set -- $known
for name in "$@"; do
  IFS= read -rsp "$name: " secret || true
  echo
  if [ -n "$secret" ]; then
    printf '%s' "$secret" | az keyvault secret set --vault-name "$vault" --name "$name" \
      --file /dev/stdin --encoding utf-8 --output none
  fi
  unset secret
done

echo "# In $vault, and since when:"
az keyvault secret list --vault-name "$vault" --query "[].{name: name, updated: attributes.updated}" --output table
