#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Real boots under emulation, two files at a time: the story of whole migrations is one file and the longest,
# and leaves a third of two processors idle; the others are done beside it. Words given go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."
.venv/bin/python -m pytest tests/system -n 2 --dist loadfile -v "$@"
