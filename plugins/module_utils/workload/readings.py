# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""How a VM's disk was read, in words for an operator. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any, Mapping


def describe_reading(disk: Mapping[str, Any]) -> str:
    """Return the reader of a disk that has one, and its `delta_reason` where all of the disk was read."""
    reason = disk.get("delta_reason")
    return f"by {disk['reader']}, whole ({reason})" if reason else f"by {disk['reader']}"
