# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""How a disk was read at both ends, in words for an operator. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any, Mapping

from ..units import show_size


def describe_reading(disk: Mapping[str, Any]) -> str:
    """Return the reader of a disk that has one, and its `delta_reason` where all of the disk was read."""
    reason = disk.get("delta_reason")
    return f"by {disk['reader']}, whole ({reason})" if reason else f"by {disk['reader']}"


def describe_target(disk: Mapping[str, Any]) -> str:
    """Return what a target index saved, or why it saved nothing; empty where none was asked for."""
    reason, used = disk.get("target_index_reason"), disk["claim"]["target_index"]
    if reason:
        return f"all compared ({reason})"
    if used is None:
        return ""
    if used["adopted"]:
        adopted, sampled = show_size(used["adopted"]), show_size(used["sampled"])
        return f"{adopted} by its index, {sampled} of that read"
    if used["offered"]:
        return "all compared (it is not what its index says)"
    return "all compared (the source vouches for none of it)"
