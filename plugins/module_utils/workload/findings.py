# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What preflight looks at and what it says. PRIVATE to the collection. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Mapping, Sequence

from .profile import Profile

ERROR, WARNING, NOTE = "error", "warning", "note"


@dataclass(frozen=True)
class Finding:
    """One thing that preflight has to say. `code` is stable: operators accept warnings by it."""

    code: str
    severity: str
    subject: str
    text: str
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the finding as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Observed:
    """What preflight judges.

    `source` is what `source_info` returned, `instance` what `morpheus_instance_info` did, None where
    the target does not exist yet. `detached` are volumes of the guest that no instance holds, left by a
    run that was killed while it moved them. `placement` is the cluster or pool for what is created.
    `alike` are workloads of the same run that would work on the same objects. The snapshots are the
    target's: those of this migration, and those that somebody else took. `offer` is what
    `morpheus_offer_info` returned, None where nobody looked. `extension_faults` are why the operator's
    scripts cannot be used, in sentences.
    """

    workload: str
    migration: str
    data_port: int
    source: Mapping[str, Any]
    instance: Mapping[str, Any] | None
    worker: str
    worker_image: str
    ssh_key: str
    guest_network: str
    guest_network_is_isolated: bool
    migration_network: str
    placement: str
    detached: Sequence[Mapping[str, Any]] = ()
    alike: Sequence[str] = ()
    own_snapshots: Sequence[str] = ()
    other_snapshots: Sequence[str] = ()
    used_blocks: bool = False
    profile: Profile = field(default_factory=Profile)
    offer: Mapping[str, Any] | None = None
    may_create: bool = False
    extension_faults: Sequence[str] = ()
