# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the servers of the table, once each, and keeps them. The room's API.

`<cache>/shapes/<key>/<name>/sda.raw ...`; the key is the digest of this room and of `guests`, whose
Debian they are. They are never written to: who boots one puts an overlay over it.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..guests.content import site_files
from ..guests.debian import PACKAGES, ROOTFS, build_tree, inside
from ..guests.grub import SECTOR, write_boot_code
from ..guests.source import RULES, Identity, system_files
from ..recipe import only_one_builder, recipe_key
from ..settings import cache_directory
from .encrypted import encrypt
from .grub import add_grub
from .layers import make_disks, pieces, put
from .networks import NETWORKS, SECRET
from .systemd_boot import add_systemd_boot
from .table import SHAPES, USUAL_WORDS, Shape
from .volumes import make_volume

log = logging.getLogger(__name__)

ROOM = Path(__file__).parent
# TEST-NET-2 of RFC 5737: nobody's, and the same in every lab.
NETWORK = "198.51.100"
# Without a partition of its own GRUB's core lies right behind the MBR.
NO_PARTITION = (0, Path(), SECTOR, 0)
SCRATCH = "building-"
# What a release does not have: Debian 11 knew no package that says its /usr is merged.
_LACKING = {"bullseye": ("usr-is-merged",)}


@dataclass(frozen=True)
class ShapedServer:
    """A server of the table as it is in the cache: its disks by the names it knows them by."""

    name: str
    shape: Shape
    disks: Mapping[str, Path]

    @property
    def mac(self) -> str:
        return f"00:50:56:00:ff:{self.shape.number:02x}"

    @property
    def address(self) -> str:
        return f"{NETWORK}.{self.shape.number + 10}"


def ensure_shape(name: str) -> ShapedServer:
    """Return the server of this name, built in about a minute if it is not in the cache yet.

    Raises LabError when it cannot be built; what was begun is then removed.
    """
    shapes = (
        cache_directory() / "shapes" / f"{recipe_key(ROOM)}-{recipe_key(ROOM.parent / 'guests')}"
    )
    place = shapes / name
    with only_one_builder(shapes):
        if not place.exists():
            _build(name, place)
    shape = SHAPES[name]
    return ShapedServer(name, shape, {disk: place / f"{disk}.raw" for disk in shape.disks})


def _build(name: str, place: Path) -> None:
    started = time.monotonic()
    for killed in place.parent.glob(f"{SCRATCH}*"):
        shutil.rmtree(killed)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=place.parent) as scratch:
        tree, made = Path(scratch, "tree"), Path(scratch, "made")
        made.mkdir()
        _make_server(ShapedServer(name, SHAPES[name], {"sda": made / "sda.raw"}), tree, made)
        made.rename(place)
    log.info("Built the server %s in %.0f s", name, time.monotonic() - started)


def _make_server(server: ShapedServer, tree: Path, made: Path) -> None:
    shape = server.shape
    _build_tree(shape, tree)
    uuids = {volume.place: volume.uuid or str(uuid.uuid4()) for volume in shape.volumes}
    boot = max(
        (each for each in shape.volumes if each.path in ("/", "/boot")), key=lambda v: len(v.path)
    )
    _configure(server, tree)
    # Nobody logs in, and without host keys it fails again and again.
    inside(tree, "systemctl", "mask", "ssh.service")
    for service in NETWORKS[shape.network].services:
        inside(tree, "systemctl", "enable", service)
    inside(tree, "update-initramfs", "-u")
    if shape.has_systemd_boot:
        add_systemd_boot(tree, shape)
    else:
        add_grub(tree, shape, uuids[boot.place])
    disks = make_disks(shape, made)
    places = pieces(shape, disks)
    if not shape.is_uefi:
        (embedded,) = places["sda1"] if shape.disks["sda"].label == "gpt" else [NO_PARTITION]
        write_boot_code(disks["sda"], tree, first=embedded[2] // SECTOR)
    # Inner ones first: what was put into a volume of its own is no part of the outer one.
    for volume in sorted(shape.volumes, key=lambda each: each.path, reverse=True):
        with tempfile.TemporaryDirectory(dir=made.parent) as scratch:
            image = Path(scratch, "image")
            make_volume(volume, tree, image, uuids[volume.place], subvolume=shape.subvolume)
            if volume.place in shape.encrypted:
                encrypt(image, str(uuid.uuid4()), shape.encrypted[volume.place])
            put(image, places[volume.place])


def _build_tree(shape: Shape, tree: Path) -> None:
    """The tree has the packages of its release, its network and its boot loader."""
    chosen = {"grub-pc", *NETWORKS["ifupdown"].packages, *_LACKING.get(shape.release, ())}
    others = tuple(package for package in PACKAGES if package not in chosen)
    packages = (*others, *NETWORKS[shape.network].packages, *shape.packages)
    build_tree(tree, packages=packages, kernel_parts=shape.kernel_parts, release=shape.release)


def _configure(server: ShapedServer, tree: Path) -> None:
    shape = server.shape
    identity = Identity(server.name, server.mac, server.address, f"{NETWORK}.1", 24, "", "")
    options = f"subvol={shape.subvolume}" if shape.subvolume else "defaults"
    rows = [f"{v.name} {v.path} {v.kind} {options} 0 0\n" for v in shape.volumes]
    files = {
        **_system_files(identity, shape),
        **{f"/srv/site/{name}": data for name, data in site_files(server.name).items()},
        **{f"/srv/data/{name}": data for name, data in site_files(f"{server.name}-data").items()},
        "/etc/fstab": "".join(rows).encode(),
        "/etc/default/grub": _grub_defaults(shape).encode(),
        **{path: text.encode() for path, text in shape.files.items()},
    }
    for path, content in files.items():
        target = tree / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        if path.endswith(".nmconnection"):
            target.chmod(SECRET)
    with (tree / "etc/initramfs-tools/modules").open("a") as modules:
        modules.write("".join(f"{module}\n" for module in shape.early_modules))


def _system_files(identity: Identity, shape: Shape) -> dict[str, bytes]:
    files = {path: file.content for path, file in system_files(identity).items()}
    if shape.network != "ifupdown":
        for path in ("/etc/network/interfaces", RULES):
            del files[path]
    made = NETWORKS[shape.network].configuration(identity.mac, identity.address, identity.gateway)
    return {**files, **{path: text.encode() for path, text in made.items()}}


def _grub_defaults(shape: Shape) -> str:
    usual = (ROOTFS / "etc/default/grub").read_text()
    return usual.replace(USUAL_WORDS, shape.words)
