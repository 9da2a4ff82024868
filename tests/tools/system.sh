#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Real boots under emulation. Whole migrations keep both processors busy by themselves; the other files boot
# one machine each and wait for it, so two of them run at a time. Words given go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."

migration=tests/system/test_migration.py
.venv/bin/python -m pytest "$migration" -v "$@"
.venv/bin/python -m pytest tests/system --ignore="$migration" -n 2 --dist loadfile -v "$@"
