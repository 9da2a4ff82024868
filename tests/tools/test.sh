#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# All that must be green. ansible-test's sanity run waits for packages most of its time when its
# caches are cold, so it runs beside the others and is read at the end.
set -euo pipefail
cd "$(dirname "$0")/../.."
say() { printf '\n==> %s (%s s)\n' "$*" "$SECONDS"; }

mkdir -p .build
tests/tools/sanity.sh > .build/sanity.log 2>&1 &
sanity=$!
trap 'kill "$sanity" 2>/dev/null || true' EXIT

say "lint and types"
tests/tools/lint.sh
say "unit tests"
.venv/bin/python -m pytest tests/unit -n 2 -q
say "coverage of the protocol's core"
tests/tools/coverage.sh
say "sanity (ansible-test)"
wait "$sanity" || { cat .build/sanity.log; exit 1; }
trap - EXIT
tail -n 3 .build/sanity.log
say "integration tests against the lab's appliance"
.venv/bin/python -m pytest tests/integration -n 2 --dist loadfile -q
say "system tests: real boots under emulation"
tests/tools/system.sh
say "all green"
