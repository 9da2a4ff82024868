# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The checks of the source: who reads it, over which port, and can it be prepared? PRIVATE. Pure."""

from __future__ import annotations

from typing import Iterator

from ..model import PREPARED_ROOTS, describe_prepared_releases, is_prepared_release
from .findings import ERROR, NOTE, WARNING, Finding, Observed

# On the target instance: whether its last sync carried what no file system uses as zeros.
USED_BLOCKS_TAG = "ferry_used_blocks"

# The kernel's name of what has no name of its own, as a logical volume has: what it is is not known here. Of
# arrays the preparation handles mirrors; the level of one is not known here either, and refused there.
_NAMELESS = "/dev/dm-"


def source_is_read_by_root(observed: Observed) -> Iterator[Finding]:
    """Raw disks are read by root only."""
    if not observed.source["is_root"]:
        yield Finding(
            "source_not_root",
            ERROR,
            observed.workload,
            "The login on the source is not root, and only root reads whole disks.",
            "Log in as root, or set ansible_become.",
        )


def data_port_is_free(observed: Observed) -> Iterator[Finding]:
    """The sender needs the port; the sender of a source worker may be there already."""
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


def guest_can_be_prepared(observed: Observed) -> Iterator[Finding]:
    """What the preparation was tried with; of most VMs a vCenter names no release, and the preparation looks itself."""
    release = observed.source["os"]
    if observed.source.get("is_shared") and not release["id"]:
        yield Finding(
            "guest_not_told",
            NOTE,
            observed.workload,
            f"The vCenter says {release['name'] or 'nothing'} of the guest, which names no release. The preparation "
            "looks at it after the sync, and refuses what it cannot prepare before it changes anything.",
            f"These can be prepared: {describe_prepared_releases()}; and Windows Server.",
        )
    elif not is_prepared_release(release["id"], release["version"]):
        yield Finding(
            "guest_not_supported",
            ERROR,
            observed.workload,
            f"The guest is {release['name'] or release['id'] or 'unknown'}, which cannot be prepared yet.",
            f"So far these can: {describe_prepared_releases()}.",
        )


def secure_boot_is_told(observed: Observed) -> Iterator[Finding]:
    """No call of the appliance's API asks for it."""
    if observed.source["secure_boot"]:
        yield Finding(
            "secure_boot_off",
            WARNING,
            observed.workload,
            "The source boots with Secure Boot. The target is made with UEFI, but the appliance's API cannot ask "
            "for Secure Boot: the clone boots without it.",
            "Accept the code; where the appliance can switch it on by hand, do so after the sync. The worker is signed.",
        )


def tpm_is_told(observed: Observed) -> Iterator[Finding]:
    """Only a VM's can be told: nearly every server has one, and few use it."""
    if observed.source.get("tpm"):
        yield Finding(
            "tpm_left_behind",
            WARNING,
            observed.workload,
            "The VM has a virtual TPM, and the target gets none: a disk whose key only that TPM has cannot be unlocked.",
            "Have a passphrase or a recovery key for each encrypted disk, and accept the code.",
        )


def root_can_be_prepared(observed: Observed) -> Iterator[Finding]:
    """What the vCenter cannot tell of a VM, the preparation itself judges."""
    mounted = [each for each in observed.source["file_systems"] if each["mount_point"] == "/"]
    # The last one mounted hides those before it.
    for root in mounted[-1:]:
        if root["type"] not in PREPARED_ROOTS or root["device"].startswith(_NAMELESS):
            yield Finding(
                "root_not_supported",
                ERROR,
                observed.workload,
                f"The guest's root is {root['type']} on {root['device']}, which cannot be prepared yet.",
                f"So far these can, on a partition, a plain logical volume or a mirror: {', '.join(PREPARED_ROOTS)}.",
            )


def disks_are_in_a_snapshot(observed: Observed) -> Iterator[Finding]:
    """Only a VM's disks have obstacles."""
    for disk in observed.source["disks"]:
        if disk.get("obstacle"):
            yield Finding(
                "disk_not_in_snapshot",
                ERROR,
                observed.workload,
                f"A snapshot does not hold {disk['name']} ({disk['path']}): {disk['obstacle']}.",
                "Change the disk, or name its key in ferry_left_out_disks: it is not carried then.",
            )


def disks_of_a_vm_are_left_out_by_key(observed: Observed) -> Iterator[Finding]:
    """A source worker serves all that the snapshot holds; only by their keys are disks left out of that."""
    if observed.profile.only_disks and observed.source["view"]["view"] == "vcenter_snapshot":
        yield Finding(
            "source_disks_of_vm",
            ERROR,
            observed.workload,
            "ferry_source_disks is set, and the source is a VM: its disks are chosen by those that stay behind.",
            "Leave ferry_source_disks out, and name the keys of the other disks in ferry_left_out_disks.",
        )


def source_has_a_view(observed: Observed) -> Iterator[Finding]:
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


def unused_is_carried_as_before(observed: Observed) -> Iterator[Finding]:
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
