# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking into a tree as a guest has it, safely; and what arguments and results look like."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import IO, Any, Sequence

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.guest import dpkg
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import (
    EditFile,
    Plan,
    RebuildInitramfs,
    show_diff,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.inspection import (
    inspect,
    read_distribution,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.network import Interface
from ansible_collections.ferry.hvm.plugins.module_utils.guest.package_files import find_packages
from ansible_collections.ferry.hvm.plugins.module_utils.guest.prepare import Report
from ansible_collections.ferry.hvm.plugins.module_utils.guest.report import as_result, read_request
from ansible_collections.ferry.hvm.plugins.module_utils.guest.tree import GuestTree

from tests.unit.plugins.module_utils.guest.guest_samples import ALL, SDA1, build_archive, guest

STATUS = """Package: initramfs-tools
Status: install ok installed
Version: 0.142
Depends: initramfs-tools-core (= 0.142), linux-base,
 klibc-utils | busybox:any

Package: open-vm-tools
Status: deinstall ok config-files
Version: 2:12.2

Package: grub-pc
Status: hold ok installed
Version: 2.06
Pre-Depends: debconf (>= 0.5)
"""


def no_program(program: str, _packed: IO[bytes]) -> IO[bytes]:
    raise AssertionError(f"{program} is not needed")


def no_run(argv: Sequence[str]) -> bytes:
    raise AssertionError(f"{argv[0]} is not needed")


def write(root: Path, path: str, content: str | bytes) -> None:
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file of the worker, beside the guest's root."""
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("of the worker")
    return tmp_path


def test_links_are_followed_as_the_guest_would(outside: Path) -> None:
    root = outside / "root"
    write(root, "/usr/lib/os-release", "ID=debian\n")
    (root / "etc").mkdir()
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    (root / "etc/absolute").symlink_to("/usr/lib/os-release")
    (root / "lib").symlink_to("usr/lib")
    tree = GuestTree(str(root))
    for path in ("/etc/os-release", "/etc/absolute", "/lib/os-release", "/lib/../lib/os-release"):
        assert tree.read(path) == "ID=debian\n"
    assert tree.names("/lib") == ["os-release"]


@pytest.mark.parametrize("goal", ["/secret", "../../../secret", "../../secret"])
def test_no_link_leads_out_of_the_guest(outside: Path, goal: str) -> None:
    tree = GuestTree(str(outside / "root"))
    (outside / "root/etc").mkdir()
    (outside / "root/etc/fstab").symlink_to(goal)
    assert tree.read("/etc/fstab") is None
    tree.write("/etc/fstab", "new")
    assert (outside / "secret").read_text() == "of the worker"
    assert (outside / "root/secret").read_text() == "new"


def test_links_in_circles_are_no_file(outside: Path) -> None:
    (outside / "root/a").symlink_to("b")
    (outside / "root/b").symlink_to("a")
    tree = GuestTree(str(outside / "root"))
    assert (tree.read("/a"), tree.has("/a"), tree.names("/a")) == (None, False, [])


def test_a_rewritten_file_keeps_mode_and_every_byte(outside: Path) -> None:
    file = outside / "root/fstab"
    file.write_bytes(b"\xff\x00caf\xe9\r\n")
    file.chmod(0o600)
    tree = GuestTree(str(outside / "root"))
    text = tree.read("/fstab")
    assert text is not None
    tree.write("/fstab", text + "x")
    assert file.read_bytes() == b"\xff\x00caf\xe9\r\nx"
    assert file.stat().st_mode & 0o777 == 0o600


def test_installed_packages_and_who_needs_them() -> None:
    found = dpkg.read_status(STATUS)
    assert sorted(found) == ["grub-pc", "initramfs-tools"]
    needs = {"initramfs-tools-core", "linux-base", "klibc-utils", "busybox"}
    assert found["initramfs-tools"].needs == needs
    assert dpkg.dependents(["busybox"], found) == ["initramfs-tools"]
    assert dpkg.dependents(["busybox", "initramfs-tools"], found) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n', ("debian", "12", "Debian 12")),
        ("ID='debian'\nVERSION_ID=11", ("debian", "11", "debian")),
        ("", ("", "", "")),
    ],
)
def test_the_distribution_is_read(text: str, expected: tuple[str, str, str]) -> None:
    found = read_distribution(text)
    assert (found.identity, found.version, found.title) == expected


def test_kernels_know_what_they_have_and_what_they_could_have(tmp_path: Path) -> None:
    for version, inside in (
        ("6.1", ["lib/virtio_pci.ko", "lib/virtio_blk.ko"]),
        ("5.10", ["init"]),
    ):
        write(tmp_path, f"/boot/vmlinuz-{version}", "")
        write(tmp_path, f"/boot/initrd.img-{version}", gzip.compress(build_archive(inside)))
        drivers = "".join(f"kernel/x/{name}.ko: kernel/x/virtio.ko\n" for name in sorted(ALL))
        write(tmp_path, f"/lib/modules/{version}/modules.dep", drivers)
        write(tmp_path, f"/lib/modules/{version}/modules.builtin", "kernel/x/virtio_scsi.ko\n")
    write(tmp_path, "/boot/vmlinuz-9.9", "an image without modules")
    menu = "menuentry 'Debian' {\n\tlinux /vmlinuz-6.1 root=UUID=x\n}\n"
    write(tmp_path, "/boot/grub/grub.cfg", menu)
    write(tmp_path, "/var/lib/dpkg/status", STATUS)
    write(tmp_path, "/etc/fstab", "x")
    write(tmp_path, "/etc/udev/rules.d/70-persistent-net.rules", "y")
    write(tmp_path, "/etc/udev/rules.d/readme", "not a rule")
    facts = inspect(
        GuestTree(str(tmp_path)),
        disks=guest().disks,
        file_systems=[SDA1],
        root=SDA1,
        decompress=no_program,
        run=no_run,
    )
    assert {kernel.version: set(kernel.ready) for kernel in facts.kernels} == {
        "5.10": {"virtio_scsi"},
        "6.1": {"virtio_pci", "virtio_blk", "virtio_scsi"},
    }
    assert all(kernel.available == ALL for kernel in facts.kernels)
    assert (facts.default_kernel, facts.firmware) == ("6.1", "bios")
    assert sorted(facts.files) == [
        "/boot/grub/grub.cfg",
        "/etc/fstab",
        "/etc/udev/rules.d/70-persistent-net.rules",
    ]


def test_packages_are_looked_for_in_the_distributions_own_folder(tmp_path: Path) -> None:
    write(tmp_path, "debian-12/b.deb", "")
    write(tmp_path, "debian-12/a.deb", "")
    write(tmp_path, "debian-11/c.deb", "")
    found = find_packages(str(tmp_path), guest().distribution)
    assert [Path(path).name for path in found] == ["a.deb", "b.deb"]
    assert find_packages(None, guest().distribution) == ()


def params(**changes: Any) -> dict[str, Any]:
    usual = {
        "disks": [{"path": "/dev/vdb", "name": "sda"}, {"path": "/dev/vdc", "name": "sdb"}],
        "stage": "/stage",
        "generation": "g",
        "encrypted": [],
        "interfaces": [{"source_mac": "00-50-56-AA-BB-01", "target_mac": None, "name": None}],
        "serial_console": False,
        "packages_directory": None,
        "virtio_win": None,
        "extensions": [],
        "sync": None,
    }
    return {**usual, **changes}


def test_macs_are_taken_in_any_usual_spelling() -> None:
    # vJailbreak PR 2160, forklift PR 8144: MACs in upper case did not match.
    assert read_request(params()).options.interfaces == (Interface(None, ("00:50:56:aa:bb:01",)),)


def test_keys_are_taken_by_device_and_shown_nowhere() -> None:
    request = read_request(params(encrypted=[{"device": "sda2", "key": "open sesame"}]))
    assert dict(request.keys) == {"sda2": "open sesame"}
    assert "sesame" not in repr(request)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"disks": [{"path": "/dev/vdb", "name": "sda"}] * 2}, "same name"),
        (
            {"disks": [{"path": "/dev/vdb", "name": "a"}, {"path": "/dev/vdb", "name": "b"}]},
            "same path",
        ),
        ({"interfaces": [{"source_mac": "ens192", "target_mac": None, "name": None}]}, "ens192"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_request(params(**changes))


PLAN = Plan(
    (
        EditFile("/etc/fstab", "caf\udce9", "x", "why"),
        EditFile("/new", None, "y", "why"),
        RebuildInitramfs("6.1", ALL, ("update-initramfs", "-u", "-k", "6.1"), "why"),
    ),
    ("a note",),
)


def test_the_diff_shows_files_and_commands() -> None:
    files, commands = show_diff(PLAN.changes)[:2], show_diff(PLAN.changes)[2]
    assert [(each["before"], each["after"]) for each in files] == [("caf\\xe9", "x"), ("", "y")]
    assert "update-initramfs -u -k 6.1" in commands["prepared"]


def test_the_report_is_plain_data() -> None:
    report = Report(guest(), PLAN, True, {"sda": [(8192, 16384)]}, {"inspect": 1.2345})
    result = as_result(report)
    assert result["guest"]["root"]["uuid"] == SDA1.uuid
    assert [each["action"] for each in result["plan"]] == ["edit", "create", "run"]
    assert result["notes"] == [
        "A preparation that an earlier run had decided was finished.",
        "a note",
    ]
    assert result["changed_extents"] == {"sda": [{"start": 8192, "length": 16384}]}
    assert result["seconds"] == {"inspect": 1.23}


def test_a_trial_that_met_an_unfinished_preparation_says_so() -> None:
    result = as_result(Report(None, None, True, {}, {}))
    assert "yet to be finished" in result["notes"][0]
    assert "guest" not in result
