# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a sync will have to do, said before it begins, and how sure that is. Pure. PRIVATE.

A figure is `exact`, `measured` (by an earlier sync of the same disks) or `estimated`, and says from what. What
nobody can know is not predicted: how much of a source has changed is known once it was read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..units import show_duration, show_size

EXACT, MEASURED, ESTIMATED = "exact", "measured", "estimated"

# The last sync in numbers, as a tag of the target instance: bytes compared, bytes sent, seconds. The role
# replicate_source_data writes it.
LAST_SYNC_TAG = "ferry_last_sync"


@dataclass(frozen=True)
class Figure:
    """One predicted amount: bytes, or seconds for the figure `seconds`."""

    name: str
    amount: float
    label: str
    basis: str

    def as_dict(self) -> dict[str, Any]:
        """Return the figure as plain data."""
        return asdict(self)


def predict(
    file_systems: Sequence[Mapping[str, Any]],
    disks: Sequence[Mapping[str, Any]],
    tags: Mapping[str, str],
) -> list[Figure]:
    """Return what is known of the next sync of `disks`.

    `file_systems` and `disks` are what `source_info` returned, `tags` are the target instance's. `compared` is always there;
    `sent` before the first sync only, `seconds` after it.
    """
    total = sum(disk["size"] for disk in disks)
    figures = [Figure("compared", total, EXACT, "the sizes of the disks")]
    last = read_last_sync(tags.get(LAST_SYNC_TAG, ""))
    if last is not None and last.compared:
        seconds = last.seconds * total / last.compared
        basis = (
            f"the last sync compared {show_size(last.compared)} in {show_duration(last.seconds)}"
        )
        figures.append(Figure("seconds", seconds, MEASURED, basis))
    elif last is None:
        basis = (
            "what is used in the mounted file systems, and whole disks without any; before packing"
        )
        figures.append(Figure("sent", _used(file_systems, disks), ESTIMATED, basis))
    return figures


def _used(file_systems: Sequence[Mapping[str, Any]], disks: Sequence[Mapping[str, Any]]) -> int:
    """Count each device once, however often and over however many disks it is mounted."""
    mounted = {place for disk in disks for place in disk["mounted"]}
    used = {each["device"]: each["used"] for each in file_systems if each["mount_point"] in mounted}
    return int(sum(used.values()) + sum(disk["size"] for disk in disks if not disk["mounted"]))


@dataclass(frozen=True)
class LastSync:
    """An earlier sync in numbers."""

    compared: int
    sent: int
    seconds: float


def read_last_sync(tag: str) -> LastSync | None:
    """Return what the tag holds; None for one that is missing or that somebody changed."""
    try:
        compared, sent, seconds = tag.split(" ")
        return LastSync(int(compared), int(sent), float(seconds))
    except ValueError:
        return None


def tell(figures: Sequence[Figure]) -> str:
    """Return the figures in one sentence."""
    words = {"compared": "compares", "sent": "sends about", "seconds": "takes about"}
    parts = [f"{words[each.name]} {_show(each)} ({each.label}: {each.basis})" for each in figures]
    return f"The sync {', '.join(parts)}."


def _show(figure: Figure) -> str:
    return show_duration(figure.amount) if figure.name == "seconds" else show_size(figure.amount)
