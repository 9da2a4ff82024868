#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Real boots under emulation, three files at a time: each is a story that waits for its machines a third of the
# time. In the conftest's order: by the number of tests, as xdist would have it, one of the longest comes last.
# Words given go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."
.venv/bin/python -m pytest tests/system -n 3 --dist loadfile --no-loadscope-reorder -v "$@"
