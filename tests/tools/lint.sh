#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every linter, in one word. Each names its own findings; the first that fails ends the run.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH=$PWD/.venv/bin:$PATH ANSIBLE_CONFIG=$PWD/ansible.cfg
step() { printf -- '--- %s\n' "$*"; "$@"; }

sender_files() {
    PYTHONPATH=.collections .venv/bin/python - <<'P'
from ansible_collections.ferry.hvm.plugins.module_utils.replication.package import SENDER_FILES
print("\n".join(f"plugins/module_utils/{name}" for name in SENDER_FILES))
P
}

step ruff check .
step ruff format --check .
step tests/tools/types.sh
mapfile -t sender < <(sender_files)
step vermin --quiet --no-tips --target=3.6- --violations --eval-annotations "${sender[@]}"
step python -m lab.vcenter check
step shellcheck tests/tools/*.sh tests/bench/*.sh .ci/run
step reuse --no-multiprocessing lint --quiet
step antsibull-changelog lint
step antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs all .
step ansible-lint --offline --profile production --strict
