# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in a benchmark."""

from __future__ import annotations


class BenchError(Exception):
    """A measurement is void: a tool failed, or its copy is not equal."""
