#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# All that must be green. The linters are one processor's work, and ansible-test's sanity run and the making of
# the images wait for packages and disks most of their time when their caches are cold: they run beside the
# tests, with what those leave of the processors, and are read when they are needed.
set -euo pipefail
cd "$(dirname "$0")/../.."
say() { printf '\n==> %s (%s s)\n' "$*" "$SECONDS"; }

declare -A started
beside() {
    local name=$1
    shift
    nice -n 5 "$@" > ".build/$name.log" 2>&1 &
    started[$name]=$!
}
await() {
    wait "${started[$1]}" || { cat ".build/$1.log"; exit 1; }
    unset "started[$1]"
    tail -n 3 ".build/$1.log"
}

mkdir -p .build
trap 'kill "${started[@]}" 2>/dev/null || true' EXIT
beside lint tests/tools/lint.sh
beside sanity tests/tools/sanity.sh
beside images .venv/bin/python -m lab images

say "unit tests"
.venv/bin/python -m pytest tests/unit -n 3 --dist worksteal -q
say "coverage of the protocol's core"
tests/tools/coverage.sh
say "lint and types"
await lint
say "integration tests against the lab's appliance and vCenter"
tests/tools/integration.sh
say "sanity (ansible-test)"
await sanity
say "images for the real boots"
await images
say "system tests: real boots under emulation"
tests/tools/system.sh
say "all green"
