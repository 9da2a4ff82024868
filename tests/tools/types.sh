#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# mypy strict over the collection, under the name that Ansible gives it, and over lab and tests.
set -euo pipefail
cd "$(dirname "$0")/../.."
mypy=$PWD/.venv/bin/mypy
(cd .collections && "$mypy" --config-file ../pyproject.toml ansible_collections/ferry/hvm/plugins)
MYPYPATH=.collections "$mypy" lab tests
