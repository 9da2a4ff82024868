#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Afterwards this checkout has all it needs: Debian's packages, a virtual environment in .venv, and
# the generated link by which Ansible finds the collection under its name. Re-runnable; what is
# there already is not done again.
set -euo pipefail
cd "$(dirname "$0")/../.."

. tests/tools/packages.sh

make_venv() {
    local key
    key=$(cat requirements-dev.txt lab/requirements.txt | sha256sum | cut -d' ' -f1)
    [[ -e .venv/ferry-$key ]] && return 0
    say "making .venv from requirements-dev.txt (some minutes the first time)"
    python3 -m venv .venv
    # What is never imported needs no bytecode: a third of the time.
    .venv/bin/pip install --quiet --no-compile --disable-pip-version-check -r requirements-dev.txt
    rm -f .venv/ferry-*
    touch ".venv/ferry-$key"
}

link_collection() {
    mkdir -p .collections/ansible_collections/ferry
    ln -sfn ../../.. .collections/ansible_collections/ferry/hvm
}

install_packages tests/tools/apt-packages.txt
make_venv
link_collection
say "ready: . .venv/bin/activate, or make demo, or make test"
