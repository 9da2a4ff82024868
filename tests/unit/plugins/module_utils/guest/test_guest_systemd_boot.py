# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that systemd-boot starts: which entry is the first, what is edited, and what comes to the ESP."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import (
    CopyFile,
    EditFile,
    command_of,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PlanError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import Distribution, GuestFacts
from ansible_collections.ferry.hvm.plugins.module_utils.guest.inspection import inspect
from ansible_collections.ferry.hvm.plugins.module_utils.guest.mounted import MountedGuest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.plan import make_plan
from ansible_collections.ferry.hvm.plugins.module_utils.guest.rules import Options
from ansible_collections.ferry.hvm.plugins.module_utils.guest.systemd_boot import (
    HOOK,
    default_entry,
    read_entries,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.tree import GuestTree

from tests.unit.plugins.module_utils.guest.guest_samples import (
    ALL,
    ROOT_UUID,
    SDA1,
    build_archive,
    guest,
)
from tests.unit.plugins.module_utils.guest.test_guest_families import unpack
from tests.unit.plugins.module_utils.guest.test_guest_random_trees import no_run

MACHINE = "0123456789abcdef0123456789abcdef"
NEW, OLD = "6.1.0-40-amd64", "6.1.0-9-amd64"
CMDLINE = "/etc/kernel/cmdline"
BOOKWORM = Distribution("debian", "12", "Debian 12")
LOADER = "/boot/efi/EFI/systemd/systemd-bootx64.efi"
CONSOLE = "console=tty0 console=ttyS0,115200"
STATUS = "".join(
    f"Package: {name}\nStatus: install ok installed\nVersion: 1\n\n"
    for name in ("initramfs-tools", "systemd-boot", "qemu-guest-agent")
)


def entry(kernel: str, root: str = "/dev/sda1") -> str:
    """Return an entry as kernel-install of systemd 252 writes it."""
    return (
        f"title      Debian GNU/Linux 12 (bookworm)\nversion    {kernel}\nmachine-id {MACHINE}\n"
        f"sort-key   debian\noptions    root={root} ro quiet systemd.machine_id={MACHINE}\n"
        f"linux      /{MACHINE}/{kernel}/linux\ninitrd     /{MACHINE}/{kernel}/initrd.img-{kernel}\n"
    )


def entry_path(kernel: str, esp: str = "/boot/efi") -> str:
    return f"{esp}/loader/entries/{MACHINE}-{kernel}.conf"


class Server:
    """A tree with systemd-boot: its kernels, and what their images in /boot and on the ESP hold."""

    def __init__(self, root: Path, esp: str = "/boot/efi") -> None:
        self.tree, self.esp = GuestTree(str(root)), esp
        root.mkdir()
        for path, text in {
            "/etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
            "/etc/fstab": f"UUID={ROOT_UUID} / ext4 defaults 0 1\n",
            "/var/lib/dpkg/status": STATUS,
            f"{esp}/EFI/systemd/systemd-bootx64.efi": "systemd-boot",
            f"{esp}/EFI/BOOT/BOOTX64.EFI": "systemd-boot",
            f"{esp}/loader/loader.conf": "timeout 3\n#default none\n",
            HOOK: "#!/bin/sh\n",
        }.items():
            self.tree.write(path, text)
        for kernel in (NEW, OLD):
            self.tree.write(f"/boot/vmlinuz-{kernel}", "")
            modules = "".join(f"kernel/{name}.ko:\n" for name in sorted(ALL))
            self.tree.write(f"/lib/modules/{kernel}/modules.dep", modules)
            self.tree.write(entry_path(kernel, esp), entry(kernel))
            self.put_image(f"/boot/initrd.img-{kernel}", has_virtio=False)
            self.put_image(self.copy_of(kernel), has_virtio=False)

    def copy_of(self, kernel: str) -> str:
        return f"{self.esp}/{MACHINE}/{kernel}/initrd.img-{kernel}"

    def put_image(self, path: str, *, has_virtio: bool) -> None:
        names = [f"usr/lib/{name}.ko" for name in sorted(ALL)] if has_virtio else ["init"]
        self.tree.write(path, "")
        Path(self.tree.host_path(path)).write_bytes(gzip.compress(build_archive(names)))

    def remove(self, path: str) -> None:
        Path(self.tree.host_path(path)).unlink()

    def look(self) -> GuestFacts:
        return inspect(
            self.tree,
            disks=guest().disks,
            file_systems=guest().file_systems,
            root=SDA1,
            decompress=unpack,
            run=no_run,
        )

    def edits(self, options: Options = Options()) -> dict[str, str]:  # noqa: B008 - is frozen
        changes = make_plan(self.look(), options).changes
        return {c.path: c.after for c in changes if isinstance(c, EditFile)}

    def prepare(self) -> None:
        """Apply the plan as the guest's tools would: new images come to the ESP, with a new entry."""
        for change in make_plan(self.look(), Options()).changes:
            if isinstance(change, EditFile):
                self.tree.write(change.path, change.after)
            else:
                assert command_of(change)[:3] == ("update-initramfs", "-u", "-k")
                kernel = command_of(change)[3]
                self.put_image(f"/boot/initrd.img-{kernel}", has_virtio=True)
                self.put_image(self.copy_of(kernel), has_virtio=True)
                words = (self.tree.read(CMDLINE) or "root=/dev/of-the-worker").strip()
                text = entry(kernel).replace("root=/dev/sda1 ro quiet", words)
                self.tree.write(entry_path(kernel, self.esp), text)


@pytest.fixture(params=["/boot/efi", "/efi", "/boot"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Server:
    return Server(tmp_path / "root", request.param)


def test_entries_name_the_root_by_uuid_and_images_come_along(server: Server) -> None:
    facts = server.look()
    assert (facts.firmware, facts.default_kernel) == ("uefi", NEW)
    changed = server.edits()
    for kernel in (NEW, OLD):
        assert changed[entry_path(kernel, server.esp)] == entry(kernel, f"UUID={ROOT_UUID}")
    # kernel-install would take the command line of the worker's kernel.
    assert changed[CMDLINE] == f"root=UUID={ROOT_UUID} ro quiet\n"
    commands = [" ".join(command_of(c)) for c in make_plan(facts, Options()).changes]
    assert [each for each in commands if each] == [
        f"update-initramfs -u -k {NEW}",
        f"update-initramfs -u -k {OLD}",
    ]


def test_a_second_preparation_changes_nothing(server: Server) -> None:
    server.prepare()
    assert make_plan(server.look(), Options()).changes == ()


def test_a_command_line_of_the_guests_own_is_edited(server: Server) -> None:
    server.tree.write(CMDLINE, "root=/dev/sda1 ro\nsplash\n")
    assert server.edits()[CMDLINE] == f"root=UUID={ROOT_UUID} ro\nsplash\n"


def test_a_console_is_added_to_all_command_lines(server: Server) -> None:
    changed = server.edits(Options(serial_console=True))
    assert changed[CMDLINE].endswith(f" {CONSOLE}\n")
    assert f"{CONSOLE}\nlinux " in changed[entry_path(OLD, server.esp)]


@pytest.mark.parametrize("ready", ["in /boot", "on the ESP"])
def test_an_image_must_be_right_in_both_places(server: Server, ready: str) -> None:
    server.prepare()
    where = server.copy_of(NEW) if ready == "in /boot" else f"/boot/initrd.img-{NEW}"
    server.put_image(where, has_virtio=False)
    (change,) = make_plan(server.look(), Options()).changes
    assert command_of(change) == ("update-initramfs", "-u", "-k", NEW)


def test_an_image_that_its_entry_names_and_that_is_gone_is_made_anew(server: Server) -> None:
    server.prepare()
    server.remove(server.copy_of(OLD))
    (change,) = make_plan(server.look(), Options()).changes
    assert command_of(change) == ("update-initramfs", "-u", "-k", OLD)


@pytest.mark.parametrize("left", ["", "/EFI/debian/shimx64.efi"])
def test_a_vendors_loader_comes_to_the_place_of_the_fallback(server: Server, left: str) -> None:
    server.remove(f"{server.esp}/EFI/BOOT/BOOTX64.EFI")
    if left:
        # GRUB was purged: its loader stays behind, without a menu.
        server.tree.write(server.esp + left, "")
    copies = [c for c in make_plan(server.look(), Options()).changes if isinstance(c, CopyFile)]
    (copy,) = copies
    assert copy.source == f"{server.esp}/EFI/systemd/systemd-bootx64.efi"
    assert copy.target == f"{server.esp}/EFI/BOOT/BOOTX64.EFI"


@pytest.mark.parametrize(
    ("settings", "files", "expected"),
    [
        pytest.param("", {}, "new", id="the newest, by numbers"),
        pytest.param("default old.conf\n", {}, "old", id="by name"),
        pytest.param("default  OLD*\n", {}, "old", id="by a pattern, in any case"),
        pytest.param("default @saved\n", {}, "new", id="what the firmware's memory has is lost"),
        pytest.param("#default old.conf\n", {}, "new", id="a comment"),
        pytest.param("", {"aaa": "sort-key a\n"}, "aaa", id="a smaller key before versions"),
        pytest.param("", {"zzz": "version 7\n"}, "new", id="one without a key comes later"),
        pytest.param("", {"bad+0-3": "sort-key a\n"}, "new", id="one that failed comes last"),
        pytest.param("default t.conf\n", {"t+2-1": "sort-key z\n"}, "t+2-1", id="with counters"),
        pytest.param("", {"efi": "sort-key a\nefi /shell.efi\n"}, "new", id="no kernel at all"),
    ],
)
def test_the_entry_that_starts_by_itself(
    settings: str, files: dict[str, str], expected: str
) -> None:
    folder = "/boot/efi/loader"
    entries = {"new": entry("6.1.0-40"), "old": entry("6.1.0-9")}
    linux = {name: text if "efi /" in text else f"{text}linux /k\n" for name, text in files.items()}
    found = {f"{folder}/entries/{k}.conf": text for k, text in {**entries, **linux}.items()}
    found[f"{folder}/loader.conf"] = settings
    read = read_entries(BOOKWORM, found, [LOADER])
    first = default_entry(read, found)
    assert first is not None
    assert first.path == f"{folder}/entries/{expected}.conf"


@pytest.mark.parametrize(
    ("distribution", "loader"),
    [
        pytest.param(BOOKWORM, "/boot/efi/EFI/debian/grubx64.efi", id="no systemd-boot"),
        pytest.param(Distribution("rhel", "9.4", "RHEL 9"), LOADER, id="left beside GRUB"),
    ],
)
def test_entries_that_systemd_boot_does_not_read_are_others(
    distribution: Distribution, loader: str
) -> None:
    files = {"/boot/loader/entries/x.conf": entry(NEW)}
    assert read_entries(distribution, files, [loader]) == []


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        pytest.param(
            entry_path(NEW), entry(NEW, "/dev/sdb1"), r"root=\S+, which is not its root", id="root"
        ),
        pytest.param(
            entry_path(NEW),
            entry(NEW).replace("root=/dev/sda1 ", ""),
            r"has no root=, which is not",
            id="a root that systemd finds by its type",
        ),
        pytest.param(
            entry_path(OLD),
            entry(OLD, "/dev/sdc1"),
            r"names /dev/sdc1, which is on none",
            id="disk",
        ),
        pytest.param(
            entry_path(NEW), entry("7.0-own"), r"/7.0-own/linux, which is not in /boot", id="kernel"
        ),
        pytest.param("/boot/efi/EFI/Linux/debian.efi", "x", r"unified kernel images", id="unified"),
    ],
)
def test_what_cannot_be_made_right_is_a_finding(
    tmp_path: Path, path: str, text: str, words: str
) -> None:
    server = Server(tmp_path / "root")
    server.tree.write(path, text)
    with pytest.raises(PlanError, match=words):
        make_plan(server.look(), Options())


def test_a_menu_of_grub_without_a_kernel_starts_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path / "root")
    server.tree.write("/boot/grub/grub.cfg", "set timeout=5\n")
    server.tree.write(entry_path(NEW), entry(NEW, "/dev/sdb1"))
    with pytest.raises(PlanError, match=r"root=\S+, which is not its root"):
        make_plan(server.look(), Options())


def test_without_the_hook_a_new_image_would_not_come_to_the_esp(tmp_path: Path) -> None:
    server = Server(tmp_path / "root")
    server.remove(HOOK)
    with pytest.raises(PlanError, match="Install the package systemd-boot on the source"):
        make_plan(server.look(), Options())
    server.tree.write(HOOK, "#!/bin/sh\n")
    server.prepare()
    server.remove(HOOK)
    assert make_plan(server.look(), Options()).changes == ()


def test_the_guests_tools_are_told_where_systemd_boot_lies(server: Server) -> None:
    # A /boot of its own, which bootctl looks at before /boot/efi, is not the partition.
    server.tree.write("/boot/EFI/debian/grubx64.efi", "")
    mounted = MountedGuest(server.tree, SDA1, guest().file_systems)
    assert mounted.environment["SYSTEMD_ESP_PATH"] == server.esp
    server.remove(f"{server.esp}/EFI/systemd/systemd-bootx64.efi")
    assert "SYSTEMD_ESP_PATH" not in mounted.environment


def test_too_little_room_on_the_esp_is_told(server: Server) -> None:
    facts = server.look()
    assert {"/boot", server.esp} <= set(facts.room)
    little = dataclasses.replace(facts, room={**facts.room, server.esp: 1 << 20})
    with pytest.raises(PlanError, match=rf"{server.esp} has 1.0 MiB"):
        make_plan(little, Options())


def test_a_boot_that_is_the_esp_has_room_for_images_and_copies(tmp_path: Path) -> None:
    facts = Server(tmp_path / "root", "/boot").look()
    # Two images of nearly nothing grow by 4 MiB each, and so do their copies.
    images = dict.fromkeys(facts.images, 0)
    enough = dataclasses.replace(facts, images=images, room={"/boot": 16 << 20})
    assert make_plan(enough, Options()).changes
    with pytest.raises(PlanError, match=r"16\.0 MiB"):
        make_plan(dataclasses.replace(enough, room={"/boot": (16 << 20) - 1}), Options())


def test_grub_with_a_menu_is_prepared_beside_systemd_boot(tmp_path: Path) -> None:
    # The firmware's memory said which of the two starts: both are made right.
    server = Server(tmp_path / "root")
    menu = f"menuentry 'Debian' {{\n linux /boot/vmlinuz-{OLD} root=/dev/sda1 ro\n}}\n"
    server.tree.write("/boot/grub/grub.cfg", menu)
    facts = server.look()
    assert facts.default_kernel == OLD
    commands = [command_of(c) for c in make_plan(facts, Options()).changes]
    assert ("update-grub",) in commands
    assert server.edits()[entry_path(NEW)] == entry(NEW, f"UUID={ROOT_UUID}")
