#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every statement and branch of the protocol's core is run by its tests. The core has no input and no
# output, so these few tests need no time.
set -euo pipefail
cd "$(dirname "$0")/../.."

core=(codecs compressor connection digests geometry ledger limits messages requests state wire worklist)
files=("${core[@]/#/*/module_utils/replication/}")
files=("${files[@]/%/.py}")
include=$(IFS=,; echo "${files[*]}")
tests=tests/unit/plugins/module_utils/replication
export COVERAGE_FILE=.build/coverage

mkdir -p .build
.venv/bin/python -m coverage run --branch --include="$include" -m pytest -q \
    "$tests"/test_replication_{compressor,connection,wire,parts,fuzz}.py
.venv/bin/python -m coverage report --show-missing --skip-covered --fail-under=100
