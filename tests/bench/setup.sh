#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Afterwards the benchmark has what only it needs: the peers from Debian, and a Python with the
# accelerators. Re-runnable; what is there already is not done again.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/tools/packages.sh

make_accelerated_python() {
    local place=.build/bench/accelerated key
    key=$(sha256sum < tests/bench/requirements.txt | cut -d' ' -f1)
    [[ -e $place/ferry-$key ]] && return 0
    say "making $place from tests/bench/requirements.txt"
    rm -rf "$place"
    python3 -m venv "$place"
    "$place/bin/pip" install --quiet --disable-pip-version-check -r tests/bench/requirements.txt
    touch "$place/ferry-$key"
}

install_packages tests/bench/apt-packages.txt
make_accelerated_python
