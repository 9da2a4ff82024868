# shellcheck shell=bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# To be sourced: how scripts of this checkout install Debian packages, and speak.

say() { printf '==> %s\n' "$*"; }

# Install what the file names, one package a line, and this machine lacks.
install_packages() {
    local missing=()
    while read -r package; do
        [[ -z $package || $package == \#* ]] && continue
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done < "$1"
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        say "not root: these Debian packages of $1 are missing: ${missing[*]}"
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
