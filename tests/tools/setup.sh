#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Afterwards this checkout has all it needs: Debian's packages, a virtual environment in .venv, and
# the generated link by which Ansible finds the collection under its name. Re-runnable; what is
# there already is not done again.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf '==> %s\n' "$*"; }

install_packages() {
    local missing=()
    while read -r package; do
        [[ -z $package || $package == \#* ]] && continue
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done < tests/tools/apt-packages.txt
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        say "not root: these Debian packages are missing for the lab: ${missing[*]}"
        return 0
    fi
    say "installing from Debian: ${missing[*]}"
    forbid_daemons
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# The packages are wanted for their programs; none of them is to start a service on this machine.
forbid_daemons() {
    local policy=/usr/sbin/policy-rc.d
    [[ -e $policy ]] && return 0
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

make_venv() {
    local key
    key=$(cat requirements-dev.txt lab/requirements.txt | sha256sum | cut -d' ' -f1)
    [[ -e .venv/ferry-$key ]] && return 0
    say "making .venv from requirements-dev.txt (some minutes the first time)"
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
    rm -f .venv/ferry-*
    touch ".venv/ferry-$key"
}

link_collection() {
    mkdir -p .collections/ansible_collections/ferry
    ln -sfn ../../.. .collections/ansible_collections/ferry/hvm
}

install_packages
make_venv
link_collection
say "ready: . .venv/bin/activate, or make demo, or make test"
