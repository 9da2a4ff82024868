#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# All that must be green. ansible-test's sanity run and the making of the images wait for packages and
# disks most of their time when their caches are cold, so they run beside the others, and are read when
# they are needed.
set -euo pipefail
cd "$(dirname "$0")/../.."
say() { printf '\n==> %s (%s s)\n' "$*" "$SECONDS"; }

mkdir -p .build
tests/tools/sanity.sh > .build/sanity.log 2>&1 &
sanity=$!
.venv/bin/python -m lab images > .build/images.log 2>&1 &
images=$!
trap 'kill "$sanity" "$images" 2>/dev/null || true' EXIT

say "lint and types"
tests/tools/lint.sh
say "unit tests"
.venv/bin/python -m pytest tests/unit -n 3 --dist worksteal -q
say "coverage of the protocol's core"
tests/tools/coverage.sh
say "integration tests against the lab's appliance and vCenter"
tests/tools/integration.sh
say "sanity (ansible-test)"
wait "$sanity" || { cat .build/sanity.log; exit 1; }
tail -n 3 .build/sanity.log
say "images for the real boots"
wait "$images" || { cat .build/images.log; exit 1; }
trap - EXIT
tail -n 1 .build/images.log
say "system tests: real boots under emulation"
tests/tools/system.sh
say "all green"
