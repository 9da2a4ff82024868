#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Real boots under emulation, three files at a time: each is a story that waits for its machines a third of the
# time. The two longest are first; by the number of tests, as xdist would have it, one of them came last and
# alone. Words given go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."
longest=(tests/system/test_migration.py tests/system/test_vm_migration.py)
.venv/bin/python -m pytest "${longest[@]}" tests/system -n 3 --dist loadfile --no-loadscope-reorder -v "$@"
