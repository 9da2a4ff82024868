# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What the connections of a target share while they sync one disk. PRIVATE to the collection."""

from __future__ import annotations

from typing import NamedTuple

from .ledger import Ledger
from .plan import DiskPair
from .progress import DiskProgress
from .settler import Settler
from .target_disks import TargetDisk
from .watch import DiskWatch
from .worklist import WorkList


class DiskJob(NamedTuple):
    """One disk, and one round of asking for what is missing of it."""

    sync: bytes
    pair: DiskPair
    disk: TargetDisk
    ledger: Ledger
    settler: Settler
    work: WorkList
    progress: DiskProgress
    watch: DiskWatch
    depth: int  # Chunks on their way from the disk over one connection, and as many on their way to it.
