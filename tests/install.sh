#!/usr/bin/env bash
# Installs the Debian packages that building needs, and those that are named, if they are missing.
#   tests/install.sh [PACKAGE ...]
set -euo pipefail
packages=(gcc cmake ninja-build pkg-config flex bison libdnnl-dev libjansson-dev libstb-dev
    libxxhash-dev libcmocka-dev "$@")
missing=()
for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] \
        || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

run=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "as root: apt-get install ${missing[*]}" >&2
        exit 1
    }
    run=(sudo)
fi
echo "installing ${missing[*]}"
"${run[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${run[@]}" apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null
