# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Is this workload ready to migrate? PRIVATE to the collection.

Pure: what was observed goes in, findings come out. A check is a function that yields findings;
`CHECKS` is the list of them all. An error stops the migration, a warning stops it until the operator
accepts it by its code, a note only says what will happen.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Iterator, Mapping, Sequence

from ..errors import InputError
from ..model import PREPARED_ROOTS, describe_prepared_releases, is_prepared_release
from .pairing import fixed_disks, guest_volumes, pair_disks
from .prediction import Figure, predict, tell

ERROR, WARNING, NOTE = "error", "warning", "note"

# A root on one of these is put together from parts, which the preparation cannot yet (guest/).
_COMPOSED = ("/dev/mapper/", "/dev/dm-", "/dev/md")

# On the target instance: whether its last sync carried what no file system uses as zeros.
USED_BLOCKS_TAG = "ferry_used_blocks"

# Statuses in which an instance is at rest (plugin-core, Instance.Status).
SETTLED_STATUSES = ("running", "stopped", "suspended", "warning", "unknown")


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
    target's: those of this migration, and those that somebody else took.
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
    only_disks: Sequence[str] = ()
    used_blocks: bool = False
    disk_map: Mapping[str, str] = field(default_factory=dict)
    may_create: bool = False


def judge(observed: Observed) -> list[Finding]:
    """Return every finding of every check, in the order of `CHECKS`."""
    return [finding for check in CHECKS for finding in check(observed)]


def refuse(findings: Sequence[Finding], accepted: Sequence[str]) -> None:
    """Raise InputError with all that stops the migration: errors, and warnings nobody accepted."""
    stopping = [
        finding
        for finding in findings
        if finding.severity == ERROR
        or (finding.severity == WARNING and finding.code not in accepted)
    ]
    if stopping:
        raise InputError(
            " ".join(
                f"[{each.code}] {each.subject}: {each.text} {each.hint}".strip()
                for each in stopping
            ),
            hint="Nothing was changed.",
        )


def _source_is_read_by_root(observed: Observed) -> Iterator[Finding]:
    if not observed.source["is_root"]:
        yield Finding(
            "source_not_root",
            ERROR,
            observed.workload,
            "The login on the source is not root, and only root reads whole disks.",
            "Log in as root, or set ansible_become.",
        )


def _data_port_is_free(observed: Observed) -> Iterator[Finding]:
    source = observed.source
    exporters = [export["migration_id"] for export in source["exports"]]
    owners = [owner for owner in exporters if owner != observed.migration]
    # The sender of a source worker serves many migrations.
    if source["port_free"] or (owners and source.get("is_shared")):
        return
    if exporters and not owners:
        yield Finding(
            "own_sender_left",
            NOTE,
            observed.workload,
            "A sender of this migration is there from an earlier run. That run is followed if it is alive "
            "and does the same; otherwise it is stopped.",
        )
        return
    by_whom = (
        f"Ferry's sender of {', '.join(owners)}" if owners else "a program that is not Ferry's"
    )
    yield Finding(
        "data_port_taken",
        ERROR,
        observed.workload,
        f"Port {observed.data_port}/TCP of the source is taken by {by_whom}.",
        "End what listens there, or choose another port by ferry_data_port.",
    )


def _guest_can_be_prepared(observed: Observed) -> Iterator[Finding]:
    release = observed.source["os"]
    if not is_prepared_release(release["id"], release["version"]):
        yield Finding(
            "guest_not_supported",
            ERROR,
            observed.workload,
            f"The guest is {release['name'] or release['id'] or 'unknown'}, which cannot be prepared yet.",
            f"So far these can: {describe_prepared_releases()}.",
        )
    if observed.source["firmware"] != "bios":
        yield Finding(
            "firmware_not_supported",
            ERROR,
            observed.workload,
            f"The guest boots by {observed.source['firmware']}; the worker boots by BIOS only so far.",
        )


def _root_can_be_prepared(observed: Observed) -> Iterator[Finding]:
    mounted = [each for each in observed.source["file_systems"] if each["mount_point"] == "/"]
    # The last one mounted hides those before it.
    for root in mounted[-1:]:
        if root["type"] not in PREPARED_ROOTS or root["device"].startswith(_COMPOSED):
            yield Finding(
                "root_not_supported",
                ERROR,
                observed.workload,
                f"The guest's root is {root['type']} on {root['device']}, which cannot be prepared yet.",
                f"So far these can, on a plain partition: {', '.join(PREPARED_ROOTS)}.",
            )


def _disks_have_their_volumes(observed: Observed) -> Iterator[Finding]:
    try:
        disks = fixed_disks(observed.source["disks"], observed.only_disks)
        if observed.instance is not None:
            volumes = guest_volumes(
                observed.instance, worker=observed.worker, detached=observed.detached
            )
            pair_disks(disks, volumes, observed.disk_map)
    except InputError as error:
        yield Finding("disks_do_not_pair", ERROR, observed.workload, error.what, error.hint)


def _disks_are_in_a_snapshot(observed: Observed) -> Iterator[Finding]:
    for disk in observed.source["disks"]:
        if disk.get("obstacle"):
            yield Finding(
                "disk_not_in_snapshot",
                ERROR,
                observed.workload,
                f"A snapshot does not hold {disk['name']} ({disk['path']}): {disk['obstacle']}.",
                "Change the disk, or name its key in ferry_left_out_disks: it is not carried then.",
            )


def _target_is_at_rest(observed: Observed) -> Iterator[Finding]:
    instance = observed.instance
    if instance is None and not observed.may_create:
        yield Finding(
            "target_missing",
            ERROR,
            observed.workload,
            "The target instance does not exist.",
            "Run the initial sync first; it creates the instance.",
        )
    if instance is not None and instance["status"] not in SETTLED_STATUSES:
        yield Finding(
            "target_busy",
            ERROR,
            str(instance["name"]),
            f"The target instance is {instance['status']}.",
            "Wait until the appliance is done with it, or mend it there.",
        )


def _target_is_ours(observed: Observed) -> Iterator[Finding]:
    """A sync overwrites its target: a wrong name must not cost another server its disks."""
    if observed.instance is None:
        return
    name, owner = str(observed.instance["name"]), observed.instance["tags"].get("ferry")
    if owner is None:
        yield Finding(
            "target_not_made_by_ferry",
            WARNING,
            name,
            f"The target instance {name} carries no tag of a migration: Ferry did not make it, and the "
            "sync overwrites its disks.",
            "Correct ferry_instance, or put the code into ferry_accepted_warnings if they may be lost.",
        )
    elif owner != observed.migration:
        yield Finding(
            "target_of_another_migration",
            ERROR,
            name,
            f"The target instance {name} belongs to migration {owner}, not to {observed.migration}.",
            "Correct ferry_instance or ferry_migration_id; to take it over, remove its tag ferry.",
        )


def _snapshots_are_told(observed: Observed) -> Iterator[Finding]:
    """Whether an appliance moves volumes under a snapshot is only known when it was asked to."""
    if observed.own_snapshots:
        yield Finding(
            "own_snapshots_may_go",
            NOTE,
            observed.workload,
            f"The target has {', '.join(observed.own_snapshots)}: deleted before the worker volume is attached "
            "if the appliance refuses to move volumes under a snapshot.",
        )
    if observed.other_snapshots:
        yield Finding(
            "other_snapshots_stay",
            NOTE,
            observed.workload,
            f"The target has snapshots that are not this migration's: {', '.join(observed.other_snapshots)}. "
            "They stay, and the sync fails if the appliance refuses to move volumes under them.",
            "Delete them on the appliance if nobody needs them.",
        )


def _workload_is_the_only_one(observed: Observed) -> Iterator[Finding]:
    if observed.alike:
        yield Finding(
            "workloads_alike",
            ERROR,
            observed.workload,
            f"It shares its migration id or its target instance with {', '.join(observed.alike)}.",
            "Give each workload a ferry_migration_id and a ferry_instance of its own.",
        )


def _helpers_have_a_place(observed: Observed) -> Iterator[Finding]:
    if not observed.placement:
        yield Finding(
            "placement_missing",
            ERROR,
            observed.workload,
            "Neither a cluster nor a resource pool is given for the instances to be created.",
            "Set ferry_cluster, or ferry_resource_pool.",
        )


def _controller_has_its_files(observed: Observed) -> Iterator[Finding]:
    public_key = f"{observed.ssh_key}.pub"
    wanted = (
        (
            "worker_image_missing",
            observed.worker_image,
            "Run ferry.hvm.build_worker_image, or correct ferry_worker_image.",
        ),
        (
            "ssh_key_missing",
            observed.ssh_key,
            "Make one with ssh-keygen, or correct ferry_worker_ssh_private_key_file.",
        ),
        (
            "ssh_public_key_missing",
            public_key,
            f"ssh-keygen -y -f {observed.ssh_key} > {public_key}",
        ),
    )
    for code, path, hint in wanted:
        if not os.access(path, os.R_OK):
            yield Finding(code, ERROR, path, f"The controller cannot read {path}.", hint)


def _clone_is_kept_apart(observed: Observed) -> Iterator[Finding]:
    """The migration network reaches the source, so it cannot be without a way to it."""
    if not observed.guest_network_is_isolated:
        yield Finding(
            "clone_stays_off",
            NOTE,
            observed.guest_network,
            f"Network {observed.guest_network} was not named as isolated: the clone will not be booted.",
            "Set ferry_guest_network_is_isolated where that is true.",
        )
    elif observed.guest_network == observed.migration_network:
        yield Finding(
            "guest_network_reaches_source",
            ERROR,
            observed.guest_network,
            f"Network {observed.guest_network} is named as isolated, but it is also the migration "
            "network, which reaches the source: the clone would meet its source there.",
            "Name another network as ferry_guest_network.",
        )


def _source_has_a_view(observed: Observed) -> Iterator[Finding]:
    """Tell what the claim will say; without root nothing can be told, which is an error of its own."""
    view, reason = observed.source["view"]["view"], observed.source["view"]["reason"]
    if view is None and observed.source["is_root"]:
        yield Finding(
            "source_view_not_true", ERROR, observed.workload, reason, "Or set ferry_source_view."
        )
    elif view == "moving":
        yield Finding(
            "source_moves",
            NOTE,
            observed.workload,
            "The source keeps running while it is read: the claim of this sync will say moving, and a "
            f"clone of it is for tests, not for a cutover. {reason}".strip(),
        )
    elif view == "vcenter_snapshot":
        yield Finding(
            "source_gets_snapshots",
            NOTE,
            observed.workload,
            "The VM gets one snapshot over all its disks for the time of the sync: the claim will say "
            "vcenter_snapshot.",
        )
    elif view == "lvm_snapshot":
        yield Finding(
            "source_gets_snapshots",
            NOTE,
            observed.workload,
            "The source's volumes get snapshots of LVM for the time of the sync: the claim will say "
            "lvm_snapshot.",
        )


def _unused_is_carried_as_before(observed: Observed) -> Iterator[Finding]:
    """A change costs no more than a sync that finds many differences; it should be meant."""
    if observed.used_blocks and observed.source["view"]["view"] == "vcenter_snapshot":
        yield Finding(
            "used_blocks_of_vm",
            ERROR,
            observed.workload,
            "ferry_used_blocks is set, and the source is a VM: its file systems are not mounted where it is read.",
            "Switch ferry_used_blocks off. Blocks that the VM never wrote are not read anyway.",
        )
    tags = observed.instance["tags"] if observed.instance else {}
    was = tags.get(USED_BLOCKS_TAG) == "true"
    if tags.get("ferry_generation") and was != observed.used_blocks:
        now = "become zeros" if observed.used_blocks else "are carried"
        yield Finding(
            "used_blocks_changed",
            NOTE,
            observed.workload,
            f"ferry_used_blocks is not what it was in the last sync: blocks that no file system uses now {now}, "
            "and the sync compares them all.",
        )


def _sync_is_predicted(observed: Observed) -> Iterator[Finding]:
    """Disks that do not exist are another check's to tell."""
    with suppress(InputError):
        yield Finding("sync_predicted", NOTE, observed.workload, tell(predict_sync(observed)))


def find_run(observed: Observed) -> str:
    """Return the run of this migration that may be alive at both ends, "" if there is none.

    The source has its sender, and the target runs a worker that was adopted.
    """
    instance = observed.instance
    if instance is None or instance["status"] != "running":
        return ""
    roots = [volume["name"] for volume in instance["volumes"] if volume["root"]]
    tags = instance["tags"]
    if roots != [observed.worker] or not tags.get("ferry_worker_key"):
        return ""
    if tags.get("ferry") != observed.migration:
        return ""
    runs = [
        str(export.get("run") or "")
        for export in observed.source["exports"]
        if export["migration_id"] == observed.migration
    ]
    return runs[0] if len(runs) == 1 else ""


def predict_sync(observed: Observed) -> list[Figure]:
    """Return what is known of the sync before it begins. Raises InputError for disks that do not exist."""
    tags = observed.instance["tags"] if observed.instance else {}
    return predict(
        observed.source["file_systems"],
        fixed_disks(observed.source["disks"], observed.only_disks),
        tags,
    )


CHECKS: tuple[Callable[[Observed], Iterator[Finding]], ...] = (
    _controller_has_its_files,
    _source_is_read_by_root,
    _data_port_is_free,
    _guest_can_be_prepared,
    _root_can_be_prepared,
    _workload_is_the_only_one,
    _helpers_have_a_place,
    _target_is_at_rest,
    _target_is_ours,
    _disks_are_in_a_snapshot,
    _snapshots_are_told,
    _disks_have_their_volumes,
    _clone_is_kept_apart,
    _source_has_a_view,
    _unused_is_carried_as_before,
    _sync_is_predicted,
)
