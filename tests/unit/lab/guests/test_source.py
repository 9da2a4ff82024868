# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source server is made once from a base, found again, and made anew when what makes it changed.

The base here is a small ext4 disk with the directories that a server's own files go to.
"""

from __future__ import annotations

import filecmp
import json
import subprocess
from pathlib import Path

import pytest

from lab.command import run
from lab.errors import LabError
from lab.guests import base
from lab.guests.disks import MIB, PARTITION_START, fill_with_ext4, make_partitioned
from lab.guests.source import SourceServer, ensure_source, source_machine
from lab.hardware import Acceleration, command_line
from lab.settings import LabSettings

UUID = "0b5e7a3c-3c51-4c8e-9d8a-3f5a8c1d2e4f"
DIRECTORIES = ("etc/ssh", "etc/network", "etc/udev/rules.d", "root/.ssh", "srv/site")


@pytest.fixture(name="lab")
def _lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabSettings:
    monkeypatch.setenv("FERRY_CACHE", str(tmp_path))
    for directory in DIRECTORIES:
        (tmp_path / "tree" / directory).mkdir(parents=True)
    disk = tmp_path / "sources" / base.base_key() / base.ROOT_DISK
    disk.parent.mkdir(parents=True)
    make_partitioned(disk, 64 * MIB)
    fill_with_ext4(disk, tmp_path / "tree", UUID)
    lab = LabSettings("unit", 5, tmp_path / "labs" / "unit")
    lab.directory.mkdir(parents=True)
    write_operator_key(lab, "ssh-ed25519 AAAAoperator somebody@somewhere\n")
    return lab


def write_operator_key(lab: LabSettings, line: str) -> None:
    Path(f"{lab.operator_key}.pub").write_text(line)


def read_file(server: SourceServer, path: str) -> str:
    """Return what the running server would read, so through the overlay's backing file."""
    disk = f"{server.directory / base.ROOT_DISK}?offset={PARTITION_START}"
    return run("debugfs", "-R", f"cat {path}", disk)


def test_server_knows_its_name_and_place(lab: LabSettings) -> None:
    server = ensure_source(lab, "db01")
    assert (server.address, server.prefix_length, server.gateway) == (
        "198.18.81.12",
        24,
        "198.18.81.1",
    )
    assert server.mac == "00:50:56:00:05:0c"
    assert read_file(server, "/etc/hostname") == "db01\n"
    assert "198.18.81.12 db01" in read_file(server, "/etc/hosts")
    interfaces = read_file(server, "/etc/network/interfaces")
    assert (
        "iface ens192 inet static\n    address 198.18.81.12/24\n    gateway 198.18.81.1\n"
        in interfaces
    )
    rule = read_file(server, "/etc/udev/rules.d/70-persistent-net.rules")
    assert 'ATTR{address}=="00:50:56:00:05:0c", NAME="ens192"' in rule


def test_server_lets_the_operator_in_and_can_be_recognised(lab: LabSettings) -> None:
    server = ensure_source(lab, "web01")
    assert read_file(server, "/root/.ssh/authorized_keys") == "ssh-ed25519 AAAAoperator\n"
    private_key = server.directory / "ssh_host_ed25519_key"
    assert run("ssh-keygen", "-y", "-f", str(private_key)).strip() == server.host_key
    assert read_file(server, "/etc/ssh/ssh_host_ed25519_key") == private_key.read_text()


def test_only_the_owner_looks_at_a_servers_disks(lab: LabSettings) -> None:
    server = ensure_source(lab, "web01")
    assert server.directory.stat().st_mode & 0o777 == 0o700


def test_the_base_is_not_touched(lab: LabSettings, tmp_path: Path) -> None:
    disk = tmp_path / "sources" / base.base_key() / base.ROOT_DISK
    before = disk.read_bytes()
    ensure_source(lab, "web01")
    assert disk.read_bytes() == before


def test_what_a_server_wrote_survives_a_second_call(lab: LabSettings) -> None:
    server = ensure_source(lab, "web01")
    run("qemu-io", "-c", "write -P 0x41 0 512", str(server.data_disk))
    assert ensure_source(lab, "web01") == server
    run("qemu-io", "-c", "read -P 0x41 0 512", str(server.data_disk))


def test_overlays_find_their_backing_files_where_the_server_lies(lab: LabSettings) -> None:
    server = ensure_source(lab, "web01")
    for disk, backing in ((server.root_disk, "root.raw"), (server.data_disk, "data.raw")):
        told = json.loads(run("qemu-img", "info", "--output=json", str(disk)))
        assert told["full-backing-filename"] == str(server.directory / backing)
        assert told["backing-filename-format"] == "raw"
        run("qemu-img", "check", "-q", str(disk))


def test_another_operator_gets_another_server(lab: LabSettings) -> None:
    first = ensure_source(lab, "web01")
    write_operator_key(lab, "ssh-ed25519 AAAAanother\n")
    second = ensure_source(lab, "web01")
    assert read_file(second, "/root/.ssh/authorized_keys") == "ssh-ed25519 AAAAanother\n"
    assert second.host_key != first.host_key


def test_two_servers_have_nothing_in_common_but_their_base(lab: LabSettings) -> None:
    web, db = ensure_source(lab, "web01"), ensure_source(lab, "db01")
    assert web.host_key != db.host_key
    assert read_file(web, "/etc/machine-id") != read_file(db, "/etc/machine-id")
    # Read until they differ: the disks are sparse, and half a gigabyte of memory each.
    data = web.directory / "data.raw", db.directory / "data.raw"
    assert not filecmp.cmp(*data, shallow=False)


def test_a_failed_making_leaves_the_old_server(lab: LabSettings, tmp_path: Path) -> None:
    server = ensure_source(lab, "web01")
    write_operator_key(lab, "ssh-ed25519 AAAAanother\n")
    (tmp_path / "sources" / base.base_key() / base.ROOT_DISK).write_bytes(b"damaged")
    with pytest.raises(LabError):
        ensure_source(lab, "web01")
    assert read_file(server, "/root/.ssh/authorized_keys") == "ssh-ed25519 AAAAoperator\n"
    assert [entry.name for entry in lab.directory.glob("making-*")] == []


def test_a_running_server_is_not_taken_from_its_machine(lab: LabSettings) -> None:
    server = ensure_source(lab, "web01")
    write_operator_key(lab, "ssh-ed25519 AAAAanother\n")
    pid_file = str(server.directory / "pid")
    # A machine is known by its pid file's path among the words that started it (lab/process.py). Its own
    # line is awaited: /proc shows the words of a new process a moment after Popen has returned.
    command = ["sh", "-c", "echo started; read line", pid_file]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as machine:
        assert machine.stdout is not None
        assert machine.stdout.readline() == b"started\n"
        Path(pid_file).write_text(str(machine.pid))
        with pytest.raises(LabError, match=r"web01 .* runs.*lab down"):
            ensure_source(lab, "web01")
    assert server.root_disk.exists()


def test_an_unknown_server_is_refused(lab: LabSettings) -> None:
    with pytest.raises(LabError, match="no source server 'mail01'"):
        ensure_source(lab, "mail01")


def test_a_lab_without_operators_key_is_refused(lab: LabSettings) -> None:
    Path(f"{lab.operator_key}.pub").unlink()
    with pytest.raises(LabError, match=r"operator_ed25519\.pub is missing"):
        ensure_source(lab, "web01")


def test_machine_has_vmwares_hardware(lab: LabSettings) -> None:
    machine = source_machine(lab, ensure_source(lab, "web01"), Acceleration.TCG)
    words = " ".join(command_line(machine))
    assert "vmxnet3" in words
    assert "00:50:56:00:05:0b" in words
    assert words.count("scsi-hd,bus=pvscsi.0") == 2
    assert "virtio-blk" not in words
    assert "virtio-net" not in words
    assert machine.namespace == lab.namespace
    assert [nic.network for nic in machine.nics] == ["production"]
    # Linux cuts interface names at 15 characters.
    assert all(len(nic.tap) <= 15 for nic in machine.nics)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda recipe: (recipe / "a.py").write_text("x = 2\n"), id="a changed file"),
        pytest.param(lambda recipe: (recipe / "etc/new").write_text(""), id="a new file"),
        pytest.param(lambda recipe: (recipe / "etc/b").rename(recipe / "etc/c"), id="a new name"),
    ],
)
def test_key_of_the_base_tells_a_changed_recipe(tmp_path: Path, change: object) -> None:
    recipe = tmp_path / "recipe"
    (recipe / "etc").mkdir(parents=True)
    (recipe / "a.py").write_text("x = 1\n")
    (recipe / "etc/b").write_text("b\n")
    before = base.base_key(recipe)
    assert callable(change)
    change(recipe)
    assert base.base_key(recipe) != before


def test_key_of_the_base_ignores_what_python_compiles(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    before = base.base_key(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__/a.cpython-311.pyc").write_bytes(b"\x00")
    assert base.base_key(tmp_path) == before
