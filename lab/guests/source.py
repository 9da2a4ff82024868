# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source servers: Debian machines with VMware-style hardware, ready to be migrated. The room's API.

cache: sources/<key>/root.raw          common to all, never written to
lab:   source-web01/root.raw           a copy with web01's identity, never written to after that
                    data.raw           web01's data, likewise
                    sda.qcow2          what the running server wrote, over root.raw
                    sdb.qcow2          likewise, over data.raw
                    ssh_host_ed25519_key(.pub), source.json
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from ..command import run
from ..errors import LabError
from ..hardware import Acceleration, Controller, Disk, Machine, Nic, NicModel
from ..qemu import find_pid
from ..settings import PRODUCTION, SOURCES, LabSettings, cache_directory
from .base import ROOT_DISK, base_key, ensure_base
from .content import site_files, write_business_data
from .disks import MIB, fill_with_xfs, make_partitioned
from .edit import GuestFile, add_files

DATA_DISK = "data.raw"
DATA_DISK_SIZE = 512 * MIB
HOST_KEY = "ssh_host_ed25519_key"
RECORD = "source.json"
NIC_NAME = "ens192"
RULES = "/etc/udev/rules.d/70-persistent-net.rules"

# Debian with systemd starts in half of it; the rest is page cache and room for the sender.
MEMORY = 768 * MIB
CPU_COUNT = 2


@dataclass(frozen=True)
class SourceServer:
    """A source server as it is on disk; whether it runs is another matter."""

    name: str
    directory: Path
    mac: str
    address: str
    gateway: str
    prefix_length: int
    # One line: "ssh-ed25519 AAAA...".
    host_key: str

    @property
    def root_disk(self) -> Path:
        return self.directory / "sda.qcow2"

    @property
    def data_disk(self) -> Path:
        return self.directory / "sdb.qcow2"


def ensure_source(settings: LabSettings, name: str) -> SourceServer:
    """Return the lab's source server of this name, made in seconds if it is not there yet.

    One that was made by the same code for the same operator is left as it is, with all that it wrote;
    any other is made anew. The operator's key pair must be there. Raises LabError for an unknown name, a
    missing key, a base that cannot be built, or an outdated server that still runs.
    """
    identity = Identity.of(settings, name)
    directory = settings.source_directory(name)
    record = directory / RECORD
    if not (record.exists() and json.loads(record.read_text()) == asdict(identity)):
        _refuse_running(name, directory)
        _make(identity, directory, ensure_base(cache_directory()))
    return server_in(directory, identity)


def source_machine(
    settings: LabSettings, server: SourceServer, acceleration: Acceleration = Acceleration.TCG
) -> Machine:
    """Return the server as a machine: pvscsi and vmxnet3, on the lab's production network."""
    return Machine(
        name=f"{settings.name}-{server.name}",
        directory=server.directory,
        console=server.directory / "console.log",
        memory=MEMORY,
        cpus=CPU_COUNT,
        disks=(
            Disk(server.root_disk, unit=0, controller=Controller.PVSCSI, boot_order=0),
            Disk(server.data_disk, unit=1, controller=Controller.PVSCSI),
        ),
        nics=(Nic(server.mac, f"src-{server.name}", PRODUCTION, NicModel.VMXNET3),),
        namespace=settings.namespace,
        acceleration=acceleration,
    )


@dataclass(frozen=True)
class Identity:
    """All that makes one server what it is; kept beside its disks to know them again.

    `operator_key` may be empty: then nobody can log in.
    """

    name: str
    mac: str
    address: str
    gateway: str
    prefix_length: int
    operator_key: str
    base: str

    @classmethod
    def of(cls, settings: LabSettings, name: str) -> Identity:
        address = settings.source_address(name)
        return cls(
            name=name,
            # VMware leaves 00:50:56:00:00:00 to 00:50:56:3f:ff:ff to those who choose by hand.
            mac=f"00:50:56:00:{settings.index:02x}:{SOURCES[name]:02x}",
            address=str(address),
            gateway=str(settings.production[1]),
            prefix_length=settings.production.prefixlen,
            operator_key=_public_key(Path(f"{settings.operator_key}.pub")),
            base=base_key(),
        )


def _refuse_running(name: str, directory: Path) -> None:
    if find_pid(directory) is not None:
        raise LabError(
            f"The source server {name} in {directory} runs, and was made by other code",
            "Run `python -m lab down`, then bring the lab up again.",
        )


def _make(identity: Identity, directory: Path, base: Path) -> None:
    """The directory holds the server's disks and keys; an older server in it is gone.

    Killed at any moment it leaves the old server, none, or the new one, and never half of one.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="making-", dir=directory.parent) as scratch:
        # The disk holds the server's private key: nobody else looks into the directory.
        made = Path(scratch, "server")
        made.mkdir(mode=0o700)
        _make_root_disk(identity, made, base / ROOT_DISK)
        _make_data_disk(identity.name, made / DATA_DISK)
        add_overlay(made / "sda.qcow2", ROOT_DISK)
        add_overlay(made / "sdb.qcow2", DATA_DISK)
        (made / RECORD).write_text(json.dumps(asdict(identity), indent=2))
        if directory.exists():
            directory.rename(Path(scratch, "old"))
        made.rename(directory)


def _make_root_disk(identity: Identity, directory: Path, base: Path) -> None:
    disk = directory / ROOT_DISK
    run("cp", "--sparse=always", "--reflink=auto", str(base), str(disk))
    site = {
        f"/srv/site/{name}": GuestFile(data) for name, data in site_files(identity.name).items()
    }
    files = {**system_files(identity), **make_host_key(directory), **site}
    add_files(disk, {PurePosixPath(path): file for path, file in files.items()})


def server_in(directory: Path, identity: Identity) -> SourceServer:
    """Return the server that was made in the directory."""
    return SourceServer(
        identity.name,
        directory,
        identity.mac,
        identity.address,
        identity.gateway,
        identity.prefix_length,
        _public_key(directory / f"{HOST_KEY}.pub"),
    )


def make_host_key(directory: Path) -> Mapping[str, GuestFile]:
    """The directory holds a new SSH host key; return its files in the server."""
    key = directory / HOST_KEY
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key))
    return {
        f"/etc/ssh/{HOST_KEY}": GuestFile(key.read_bytes(), 0o600),
        f"/etc/ssh/{HOST_KEY}.pub": GuestFile(key.with_suffix(".pub").read_bytes()),
    }


def system_files(identity: Identity) -> Mapping[str, GuestFile]:
    """Return the files of the server that name it or its place in the network."""
    texts = {
        "/etc/hostname": f"{identity.name}\n",
        "/etc/hosts": f"127.0.0.1 localhost\n{identity.address} {identity.name}\n",
        "/etc/machine-id": f"{uuid.uuid4().hex}\n",
        "/etc/network/interfaces": _interfaces(identity),
        RULES: _name_rule(identity.mac),
    }
    keys = GuestFile(f"{identity.operator_key}\n".encode(), 0o600)
    system = {path: GuestFile(text.encode()) for path, text in texts.items()}
    return {**system, "/root/.ssh/authorized_keys": keys}


def _interfaces(identity: Identity) -> str:
    return (
        "auto lo\n"
        "iface lo inet loopback\n"
        "\n"
        f"auto {NIC_NAME}\n"
        f"iface {NIC_NAME} inet static\n"
        f"    address {identity.address}/{identity.prefix_length}\n"
        f"    gateway {identity.gateway}\n"
    )


def _name_rule(mac: str) -> str:
    """The name that VMware's first adapter has on real hardware, given here by the card's address."""
    return f'SUBSYSTEM=="net", ACTION=="add", ATTR{{address}}=="{mac}", NAME="{NIC_NAME}"\n'


def _make_data_disk(name: str, disk: Path) -> None:
    make_partitioned(disk, DATA_DISK_SIZE)
    with tempfile.TemporaryDirectory(dir=disk.parent) as tree:
        write_business_data(name, Path(tree))
        fill_with_xfs(disk, Path(tree))


def add_overlay(overlay: Path, backing: str) -> None:
    """What a running server writes goes to the overlay, over the file `backing` beside it."""
    # The backing file by its bare name: qemu looks beside the overlay, and the directory gets renamed.
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", backing, str(overlay))


def _public_key(file: Path) -> str:
    """Return the key in the file without its comment."""
    if not file.exists():
        raise LabError(f"The public key {file} is missing", "The lab makes it before its servers.")
    return " ".join(file.read_text().split()[:2])
