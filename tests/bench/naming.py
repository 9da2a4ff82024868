# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How what the benchmark makes on this machine is named, so that what a killed one left is found."""

from __future__ import annotations

import os

_PREFIX = "ferry-bench-"


def own_name(label: str) -> str:
    """Return a name that tells whose it is: this process'."""
    return f"{_PREFIX}{os.getpid()}-{label}"


def is_orphan(name: str) -> bool:
    """Tell whether the name is a benchmark's whose process is gone."""
    owner = name[len(_PREFIX) :].partition("-")[0]
    return name.startswith(_PREFIX) and owner.isdigit() and not os.path.exists(f"/proc/{owner}")
