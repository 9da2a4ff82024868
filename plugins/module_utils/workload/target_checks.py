# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The checks of the target instance, its volumes and snapshots. PRIVATE to the collection. Pure."""

from __future__ import annotations

from typing import Iterator

from ..errors import InputError
from .findings import ERROR, NOTE, WARNING, Finding, Observed
from .pairing import fixed_disks, guest_volumes, replaced_disks
from .volume_changes import VolumeChanges, plan_changes

# On the target instance: by which firmware it booted the worker last.
FIRMWARE_TAG = "ferry_firmware"
_FIRMWARE = {"bios": "BIOS", "efi": "UEFI"}

# Statuses in which an instance is at rest (plugin-core, Instance.Status).
SETTLED_STATUSES = ("running", "stopped", "suspended", "warning", "unknown")


def disks_have_their_volumes(observed: Observed) -> Iterator[Finding]:
    """A pair is never guessed; what the volumes need is done before the sync, and told here."""
    try:
        disks = fixed_disks(observed.source["disks"], observed.profile.only_disks)
        if observed.instance is not None:
            volumes = guest_volumes(
                observed.instance, worker=observed.worker, detached=observed.detached
            )
            yield from _tell(observed, plan_changes(disks, volumes, observed.profile.wishes))
    except InputError as error:
        yield Finding("disks_do_not_pair", ERROR, observed.workload, error.what, error.hint)


def _tell(observed: Observed, changes: VolumeChanges) -> Iterator[Finding]:
    told = changes.tell()
    if told:
        text = f"Before the sync {'; '.join(told)}."
        yield Finding("volumes_change", NOTE, observed.workload, text)
    for name in changes.kept:
        yield Finding(
            "volume_without_disk",
            WARNING,
            observed.workload,
            f"Volume {name} of the target takes no disk of the source: the disk was removed, or is left out.",
            "Name it in ferry_delete_volumes to have it deleted with its data, or accept the code: it stays "
            "attached as the last sync left it.",
        )


def disks_are_those_of_the_last_sync(observed: Observed) -> Iterator[Finding]:
    """A device key is given to another disk when its own is gone; the volume may hold the only copy left."""
    for name in replaced_disks(observed.source["disks"], observed.instance or {}):
        yield Finding(
            "disk_replaced",
            WARNING,
            observed.workload,
            f"{name} is another disk than the one that the last sync carried under this name: its backing is "
            "another file. The sync overwrites the volume of that one.",
            "Detach and keep its volume on the appliance if it is needed: a new one is made. Else accept the code.",
        )


def target_is_at_rest(observed: Observed) -> Iterator[Finding]:
    """The appliance must be done with it, or the first sync makes it."""
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


def target_is_ours(observed: Observed) -> Iterator[Finding]:
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
            f"sync overwrites its disks. {_fate_of_cards(observed)}".strip(),
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


def target_has_one_card(observed: Observed) -> Iterator[Finding]:
    """The worker runs with one card, and so does the clone until the cutover: of more, the others are lost."""
    if observed.instance is not None and len(observed.instance.get("interfaces", ())) > 1:
        yield Finding(
            "target_cards_are_replaced",
            WARNING,
            str(observed.instance["name"]),
            _fate_of_cards(observed),
            "Note what is needed of the others, Ferry does not bring them back; then accept the code. Or correct "
            "ferry_instance.",
        )


def _fate_of_cards(observed: Observed) -> str:
    """Return what becomes of the target's network cards, as a sentence; "" where nothing does."""
    cards = (observed.instance or {}).get("interfaces", ())
    if not cards:
        return ""
    first, *others = [f"{each['mac']} on {each['network']}" for each in cards]
    if others:
        gone = f"{', '.join(others)} {'is' if len(others) == 1 else 'are'} removed"
        return (
            f"Of its {len(cards)} network cards {gone}, and {first} {_way_of_the_first(observed)}."
        )
    if cards[0]["network"] != observed.migration_network:
        return f"Its network card {first} {_way_of_the_first(observed)}."
    return ""


def _way_of_the_first(observed: Observed) -> str:
    later = f", later to {observed.guest_network}" if observed.guest_network_is_isolated else ""
    return f"goes to network {observed.migration_network}{later}"


def target_has_the_firmware(observed: Observed) -> Iterator[Finding]:
    """The appliance does not tell it; the worker does, and writes nothing where it is the wrong one."""
    if observed.instance is None:
        return
    name, wanted = str(observed.instance["name"]), str(observed.source["firmware"])
    seen = observed.instance["tags"].get(FIRMWARE_TAG)
    if seen is None and wanted != "bios":
        yield Finding(
            "target_firmware_unknown",
            NOTE,
            name,
            f"The source boots by {_FIRMWARE[wanted]}, and no worker has told yet by what {name} does. One that "
            f"boots by another firmware ends the sync before anything is written.",
        )
    elif seen not in (None, wanted):
        yield Finding(
            "target_firmware_differs",
            ERROR,
            name,
            f"The target instance {name} boots by {_FIRMWARE.get(seen, seen)}, the source by {_FIRMWARE[wanted]}: "
            "the clone would not start.",
            "Remove the instance and run the initial sync, which makes one like the source; or correct ferry_instance. "
            f"If its firmware was changed since its last sync, remove its tag {FIRMWARE_TAG}: the worker tells it anew.",
        )


def snapshots_are_told(observed: Observed) -> Iterator[Finding]:
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


def clone_is_kept_apart(observed: Observed) -> Iterator[Finding]:
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
