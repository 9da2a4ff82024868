#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Three groups of files at a time (tests/integration/conftest.py forms them): one is of those that must be
# alone, and waits for its programs much of the time. In the conftest's order: by the number of tests, as xdist
# would have it, the longest come last. Words given go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."
.venv/bin/python -m lab.vcenter build
.venv/bin/python -m pytest tests/integration -n 3 --dist loadfile --no-loadscope-reorder -q "$@"
