# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The order of versions as RPM and GRUB see it (rpmvercmp): numbers as numbers, and above letters."""

from __future__ import annotations

import re
from typing import List, Tuple

_PART = re.compile(r"\d+|[a-zA-Z]+")


def version_key(version: str) -> List[Tuple[int, int, str]]:
    """Return what sorts versions, such as those of kernels, from old to new."""
    parts = _PART.findall(version)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
