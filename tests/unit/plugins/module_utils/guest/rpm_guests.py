# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Phony guests of Red Hat's and SUSE's families: small trees below `phony/`, and what is added to them.

`before` holds the guest's files as its installer writes them, `after` those that a preparation changes.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from ansible_collections.ferry.hvm.plugins.module_utils.guest import rpm
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import FileSystem, GuestFacts
from ansible_collections.ferry.hvm.plugins.module_utils.guest.inspection import inspect
from ansible_collections.ferry.hvm.plugins.module_utils.guest.tree import GuestTree

from tests.unit.plugins.module_utils.guest.guest_samples import (
    ALL,
    SDA1,
    SDA2,
    SDB1,
    build_archive,
    guest,
)

PHONY = Path(__file__).parent / "phony"
ESP = FileSystem("sda", 3, "/dev/mapper/ov-0p3", "vfat", "ABCD-1234")
USUAL_PACKAGES = {"dracut": "", "qemu-guest-agent": "", "bash": ""}


class Release(NamedTuple):
    """A release: the folder of its files, how its initramfs is called, and its kernels, the default first."""

    folder: str
    image: str
    kernels: tuple[str, ...]

    @property
    def default_image(self) -> str:
        return self.image.format(self.kernels[0])


RELEASES = (
    Release(
        "rhel7",
        "/boot/initramfs-{}.img",
        ("3.10.0-1160.el7.x86_64", "3.10.0-957.el7.x86_64"),
    ),
    Release("rhel8", "/boot/initramfs-{}.img", ("4.18.0-513.el8.x86_64", "4.18.0-80.el8.x86_64")),
    Release("rhel9", "/boot/initramfs-{}.img", ("5.14.0-427.el9.x86_64", "5.14.0-70.el9.x86_64")),
    Release("sles12", "/boot/initrd-{}", ("4.12.14-120-default",)),
    Release("sles15", "/boot/initrd-{}", ("5.14.21-150500.53-default",)),
)


def build(root: Path, release: Release) -> None:
    """The release's tree lies at `root`, its kernels with images that have no virtio."""
    shutil.copytree(PHONY / release.folder / "before", root, dirs_exist_ok=True)
    for kernel in release.kernels:
        add_kernel(root, release, kernel, inside=[])


def add_kernel(
    root: Path,
    release: Release,
    kernel: str,
    *,
    inside: Sequence[str],
    files: Sequence[str] = (),
    modules: bool = True,
) -> None:
    """The kernel is installed, with these drivers and files in its initramfs; with `modules`, it can have virtio."""
    listed = "".join(f"kernel/x/{name}.ko.xz:\n" for name in sorted(ALL)) if modules else ""
    early = build_archive(["early_cpio", "kernel/x86/microcode/GenuineIntel.bin"])
    folder = f"usr/lib/modules/{kernel}/kernel/drivers"
    main = build_archive([*(f"{folder}/{name}.ko.xz" for name in inside), *files])
    for path, content in {
        f"/boot/vmlinuz-{kernel}": b"",
        f"/lib/modules/{kernel}/modules.dep": listed.encode(),
        release.image.format(kernel): early + gzip.compress(main),
    }.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def answer(packages: Mapping[str, str], version: str = "055-1") -> rpm.Run:
    """Return what runs `rpm` in a guest with these packages, each with what it requires."""

    def run(argv: Sequence[str]) -> bytes:
        assert tuple(argv) == rpm.QUERY
        told = (_paragraph(name, version, needs) for name, needs in packages.items())
        return "".join(told).encode()

    return run


def _paragraph(name: str, version: str, needs: str) -> str:
    required = "".join(f"R{each}\n" for each in needs.split())
    return f"{name}\n{version}\n{required}P{name}\n\n"


def look(
    root: Path,
    packages: Mapping[str, str] | None = None,
    *,
    version: str = "055-1",
    on: FileSystem = SDA1,
) -> GuestFacts:
    """Return the facts of the guest at `root`, all of its packages of that version, its root `on` that."""
    return inspect(
        GuestTree(str(root)),
        disks=guest().disks,
        file_systems=tuple(dict.fromkeys((SDA1, SDA2, SDB1, ESP, on))),
        root=on,
        decompress=_no_program,
        run=answer(USUAL_PACKAGES if packages is None else packages, version),
    )


def golden(release: Release) -> dict[str, str]:
    """Return the files that a preparation leaves other than they were, by their paths in the guest."""
    return dict(_texts(PHONY / release.folder / "after"))


def _texts(root: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(root.rglob("*")):
        if path.is_file():
            yield f"/{path.relative_to(root)}", path.read_text("utf-8", "surrogateescape")


def _no_program(program: str, _packed: IO[bytes]) -> IO[bytes]:
    raise AssertionError(f"{program} is not needed")
