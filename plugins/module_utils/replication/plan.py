# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What a sync is asked to do, and what it reports. PRIVATE to the collection; the worker's side.

Sizes in bytes, times in seconds. All of it goes to JSON and comes back (`dataclasses.asdict`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Mapping

from .limits import PORT

# Of all disks together. More never helped on one link; the source's processor is the limit before.
MOST_CONNECTIONS = 8


@dataclass(frozen=True)
class DiskPair:
    """One disk of the source and the disk of the worker that becomes its copy."""

    source: str  # The source's name of the disk, as the sender exports it: "sda".
    target: str  # A path on the worker: "/dev/vdb".
    size: int  # The source disk's size as it was planned; another size at the source is an error.
    # Bytes that the source's export reported as used by no file system, which it sends as zeros; None where
    # it was not asked to look.
    unused: int | None = None
    # The source knows of the target what its own index says, and is asked for that before anything is compared.
    target_index: bool = False


@dataclass(frozen=True)
class SyncPlan:
    """One sync of one workload's disks."""

    run: str
    address: str
    directory: str  # Holds key.pem and cert.pem; gets progress, result, log and lock.
    peer_certificate: str  # The sender's, PEM.
    disks: tuple[DiskPair, ...]
    port: int = PORT
    connections: int = 0  # For a disk at a time; 0: as many as the link takes.
    disks_at_once: int = 1
    # The first sync zeroes what a target has beyond its source, and leaves the reading back to the
    # next sync, which reads everything.
    initial: bool = False
    # The view that the source's export reported; the sender must say the same.
    source_view: str = "moving"
    # How long a sync without any progress goes on dialling a source that it had reached before.
    patience: float = 600.0
    # How long a disk may rest, at either end, before it counts as hung. Longer than any layer below
    # retries by itself: Linux gives a SCSI command 30 s and five retries, iSCSI 120 s to reconnect.
    stall_limit: float = 600.0

    @property
    def most_connections(self) -> int:
        """How many connections carry data at a time, of all disks together, at most."""
        return self.most_for_a_disk * self.most_disks

    @property
    def most_for_a_disk(self) -> int:
        """How many connections carry one disk's data at a time, at most."""
        return self.connections or MOST_CONNECTIONS // self.most_disks

    @property
    def most_disks(self) -> int:
        """How many disks cross at a time, at most."""
        return min(self.disks_at_once, len(self.disks))

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as plain data."""
        return asdict(self)


def plan_from_dict(plan: Mapping[str, Any]) -> SyncPlan:
    """Return the plan that `as_dict` made plain."""
    disks = tuple(DiskPair(**disk) for disk in plan["disks"])
    return SyncPlan(**{**plan, "disks": disks})


@dataclass(frozen=True)
class SourceRead:
    """Where the source's answers came from, in bytes.

    `missed` had changed though no changed extent told of it: the index was found wrong, and was not believed.
    """

    read: int
    indexed: int
    sampled: int
    missed: int


@dataclass(frozen=True)
class TargetRead:
    """What was read of a target's disk that a target index told of, in bytes.

    `offered` the source vouched for; `adopted` of that was taken for what it is said to be. `sampled` of it was read
    to try that: one difference, and nothing is adopted. `read` is all that was read to be compared, the sample too.
    """

    offered: int
    adopted: int
    sampled: int
    read: int


@dataclass(frozen=True)
class Claim:
    """What a sync proved about one disk: both ends hold this root, and how each end looked."""

    root: str  # Hexadecimal.
    algorithm: str
    source_view: str
    source_read: SourceRead
    # "read_back", "before_write", or "index" where some of the disk was adopted, and the rest read back.
    target_read: str
    source_unused: int | None = (
        None  # Bytes of DiskPair.unused: proven are zeros there, not what the source held.
    )
    target_index: TargetRead | None = None  # None where it was not asked for.


@dataclass(frozen=True)
class DiskReport:
    """One disk's sync in numbers."""

    name: str
    target: str
    size: int
    same: int
    zero: int
    data: int
    sent: int  # Bytes that the source sent for it, frames and payloads, before TLS.
    asked: int  # Bytes that the target sent for it.
    repaired: int  # Chunks that were asked again, because what was read back or agreed was wrong.
    claim: Claim


@dataclass(frozen=True)
class SyncReport:
    """A whole sync that ended well."""

    run: str
    seconds: float
    disks: tuple[DiskReport, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)
