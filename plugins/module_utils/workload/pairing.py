# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which volume of the target takes which disk of the source. PRIVATE to the collection.

Pure: plain data in (as `source_info` and `morpheus_instance_info` return it), pairs out. A pair is
never guessed. In this order: the operator's map, equal names, the order of unit numbers; the last
only when there are as many volumes as disks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Collection, Mapping, Sequence

from ..errors import InputError
from ..units import show_exact_size, up_to_gib

# A virtio serial holds 20 characters (virtio specification 1.2, 5.2.6.4, VIRTIO_BLK_ID_BYTES).
SERIAL_LENGTH = 20

# Tag of the instance: `<disk>=<content>` of each disk that was found without a serial.
CONTENT_TAG = "ferry_disk_content"

# Tag of the instance: `<disk>=<mark of its backing>` of each disk of a VM, as of the last sync. A device key, and so
# a disk's name, may come to stand for another disk.
BACKING_TAG = "ferry_disk_backing"

_NAME_PAIRS = "Name a volume of its own for each disk in ferry_disk_map."

Disk = Mapping[str, Any]
Volume = Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """A disk of the source and the volume of the target that takes it. Sizes are bytes."""

    source: str
    source_size: int
    volume_id: int
    volume_name: str
    volume_size: int
    serial: str
    unit: int | None
    content: str = ""

    def as_target_disk(self) -> dict[str, Any]:
        """Return the pair as an entry of the option `target_disks` of `worker_replicate`."""
        return {
            "source": self.source,
            "serial": self.serial,
            "unit": self.unit,
            "size": self.volume_size,
            **({"content": self.content} if self.content else {}),
        }


def fixed_disks(disks: Sequence[Disk], only: Sequence[str] = ()) -> list[Disk]:
    """Return the disks to carry, in the order of their names: those named, else all fixed ones.

    Raises InputError for a name that the source does not have, and where no disk is left.
    """
    by_name = {disk["name"]: disk for disk in disks}
    missing = sorted(set(only) - set(by_name))
    if missing:
        raise InputError(
            f"The source has no disk named {', '.join(missing)}; it has {', '.join(sorted(by_name))}.",
            hint="Correct ferry_source_disks.",
        )
    wanted = only or [name for name, disk in by_name.items() if not disk.get("removable")]
    if not wanted:
        raise InputError(
            f"The source has no fixed disk (all disks: {', '.join(sorted(by_name)) or 'none'}).",
            hint="Name the disks to carry in ferry_source_disks.",
        )
    return [by_name[name] for name in sorted(wanted)]


def guest_volumes(
    instance: Mapping[str, Any], *, worker: str, detached: Sequence[Volume] = ()
) -> list[Volume]:
    """Return the guest's own volumes, its root first, then by unit number; never the worker's.

    While the worker runs, its volume is the root and a tag names the guest's own. `detached` are
    volumes that no instance holds: the one that the tag names is the guest's as well.
    """
    root_id = int(instance.get("tags", {}).get("ferry_guest_root") or 0)
    volumes = [volume for volume in instance["volumes"] if volume["name"] != worker]
    held = {volume["id"] for volume in volumes}
    volumes += [each for each in detached if each["id"] == root_id and root_id not in held]

    def place(volume: Volume) -> tuple[bool, int, int]:
        is_root = volume["root"] or volume["id"] == root_id
        return (not is_root, int(volume["unit"] or 0), int(volume["id"]))

    return sorted(volumes, key=place)


def remembered_contents(instance: Mapping[str, Any]) -> dict[str, str]:
    """Return what each disk's volume held when the last sync ended, as far as the instance's tag tells it.

    Only of disks that had no serial; see `content` of `worker_replicate`.
    """
    return _read_words(instance.get("tags", {}).get(CONTENT_TAG, ""))


def _read_words(tag: str) -> dict[str, str]:
    """Return what a tag of the form `<disk>=<word> ...` says."""
    return dict(word.rsplit("=", 1) for word in tag.split() if "=" in word)


def pair_disks(
    disks: Sequence[Disk],
    volumes: Sequence[Volume],
    disk_map: Mapping[str, str],
    contents: Mapping[str, str] | None = None,
) -> list[Pair]:
    """Return one pair for each disk. `disk_map` names the volume of some disks.

    `contents` is what is known of their volumes' contents, by the disks' names.
    Raises InputError, naming disks and volumes, where a pair would be a guess or a volume is too small.
    """
    chosen = choose_volumes(disks, volumes, disk_map)
    by_name = {str(volume["name"]): volume for volume in volumes}
    missing = {disk: volume for disk, volume in chosen.items() if volume not in by_name}
    if missing:
        raise InputError(
            f"The target has no volume for disks {', '.join(missing)}: it has {', '.join(by_name)}, wanted are "
            f"{', '.join(missing.values())}.",
            hint=_NAME_PAIRS,
        )
    known = contents or {}
    return [
        replace(
            _pair(disk, by_name[chosen[disk["name"]]]), content=known.get(str(disk["name"]), "")
        )
        for disk in disks
    ]


def choose_volumes(
    disks: Sequence[Disk], volumes: Sequence[Volume], disk_map: Mapping[str, str]
) -> dict[str, str]:
    """Return the name of each disk's volume, which may not be there yet: the one rule, for all who ask.

    The operator's map, else the disk's own name; where no volume has such a name, the order, if there are as
    many volumes as disks. Raises InputError where that would be a guess.
    """
    names = [str(volume["name"]) for volume in volumes]
    if len(set(names)) != len(names):
        raise InputError(
            f"Two volumes of the target have one name: {', '.join(names)}.", hint="Rename one."
        )
    chosen = {str(disk["name"]): disk_map.get(disk["name"], str(disk["name"])) for disk in disks}
    if len(set(chosen.values())) != len(chosen):
        raise InputError(f"Two disks have one volume: {chosen}.", hint=_NAME_PAIRS)
    if any(name in names for name in chosen.values()):
        return chosen
    if disk_map or len(disks) != len(volumes):
        raise InputError(
            f"Cannot tell which volume takes which disk: disks {', '.join(chosen)}, volumes {', '.join(names)}.",
            hint=_NAME_PAIRS,
        )
    return dict(zip(chosen, names))


def backing_mark(uuid: str) -> str:
    """Return what the tag `BACKING_TAG` keeps of a backing's uuid: tags are short, and a machine has many disks."""
    return hashlib.sha256(uuid.encode()).hexdigest()[:12]


def replaced_disks(disks: Sequence[Disk], instance: Mapping[str, Any]) -> list[str]:
    """Return the disks whose volume took another disk in the last sync: same name, other backing."""
    known = _read_words(instance.get("tags", {}).get(BACKING_TAG, ""))
    return [
        str(disk["name"])
        for disk in disks
        if disk.get("serial")
        and known.get(str(disk["name"]), "") not in ("", backing_mark(disk["serial"]))
    ]


def volumes_for_disks(disks: Sequence[Disk], *, datastore: str) -> list[dict[str, Any]]:
    """Return the volumes of a new target: one per disk and named after it, rounded up to whole GiB.

    The first is the root volume, from which the target boots: that of the disk with /boot, else with /,
    else of the first disk.
    """
    boot = _boot_disk(disks)
    return [
        {
            "name": disk["name"],
            "size": up_to_gib(int(disk["size"])),
            "root": disk["name"] == boot,
            "datastore": datastore,
        }
        for disk in sorted(disks, key=lambda disk: disk["name"] != boot)
    ]


def _boot_disk(disks: Sequence[Disk]) -> str:
    for mount_point in ("/boot", "/"):
        for disk in disks:
            if mount_point in disk.get("mounted", ()):
                return str(disk["name"])
    return str(disks[0]["name"])


def _pair(disk: Disk, volume: Volume) -> Pair:
    if int(volume["size"]) < int(disk["size"]):
        raise InputError(
            f"Volume {volume['name']} of the target has {show_exact_size(int(volume['size']))}, disk "
            f"{disk['name']} of the source {show_exact_size(int(disk['size']))}.",
            hint="Grow the volume; Ferry never shrinks a disk.",
        )
    return Pair(
        source=str(disk["name"]),
        source_size=int(disk["size"]),
        volume_id=int(volume["id"]),
        volume_name=str(volume["name"]),
        volume_size=int(volume["size"]),
        serial=str(volume["uuid"])[:SERIAL_LENGTH],
        unit=None if volume["unit"] is None else int(volume["unit"]),
    )


def pair_interfaces(
    source: Sequence[Mapping[str, Any]],
    target: Sequence[Mapping[str, Any]],
    names: Mapping[str, str] | None = None,
) -> list[dict[str, str]]:
    """Return the source's cards in its order, each with the one of the target that stands for it.

    Until the cutover the target has fewer cards, so some have no `target_mac`. What is no hardware (bridges,
    bonds, tunnels) or no Ethernet is passed over, and a second card with a MAC that another has: a rule tells
    them apart by nothing else. `names` are the operator's, by MAC. The shape is that of `worker_prepare`'s `interfaces`.
    Raises InputError for a name that no card takes.
    """
    physical = [nic for nic in source if nic["is_physical"] and _is_mac(nic["mac"])]
    theirs = [str(nic["mac"] or "") for nic in target]
    theirs += [""] * (len(physical) - len(theirs))
    cards: dict[str, tuple[str, str]] = {}
    for nic, other in zip(physical, theirs):
        cards.setdefault(_plain_mac(nic["mac"]), (str(nic["name"]), other))
    given = {_plain_mac(mac): str(name) for mac, name in (names or {}).items()}
    _refuse_strangers(given, cards)
    return [
        {
            "name": given.get(mac, name),
            "source_mac": mac,
            **({"target_mac": other} if other else {}),
        }
        for mac, (name, other) in cards.items()
    ]


def _refuse_strangers(given: Collection[str], cards: Collection[str]) -> None:
    strangers = sorted(set(given) - set(cards))
    if strangers:
        raise InputError(
            f"ferry_interface_names has {', '.join(strangers)}, which no network card of the source has as its MAC;"
            f" there are {', '.join(sorted(cards)) or 'none'}.",
            hint="Correct it, and put each MAC in quotes: YAML takes some for numbers.",
        )


def _is_mac(mac: Any) -> bool:
    """Return whether it is an Ethernet address; that of InfiniBand has 20 bytes."""
    return len(_plain_mac(mac).split(":")) == 6


def _plain_mac(mac: Any) -> str:
    return str(mac).strip().lower().replace("-", ":")
