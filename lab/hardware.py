# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A QEMU machine as data, and the command line that it becomes. Pure: nothing here runs anything.

Disks and NICs have PCI addresses of their own, chosen by their number, so that what a guest sees
does not depend on what else is plugged in:

    slot    0x02   0x03 .. 0x06     0x07            0x08     0x0a .. 0x1f
            VGA    NICs 0 to 3      guest agent     pvscsi   virtio-blk, by unit 0 to 21
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .errors import LabError

VGA_SLOT = 0x02
FIRST_NIC_SLOT = 0x03
NIC_COUNT = 4
AGENT_SLOT = 0x07
PVSCSI_SLOT = 0x08
FIRST_DISK_SLOT = 0x0A
VIRTIO_UNITS = range(0x20 - FIRST_DISK_SLOT)
# A pvscsi controller has 16 targets in VMware's own limits; 7 is the controller itself.
PVSCSI_UNITS = tuple(unit for unit in range(16) if unit != 7)
# virtio-blk hands the guest 20 bytes of serial (VIRTIO_BLK_ID_BYTES).
SERIAL_LENGTH = 20
# Debian's package ovmf: the firmware itself, and its memory (NVRAM) as it leaves the factory.
UEFI_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
UEFI_EMPTY_MEMORY = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
# struct sockaddr_un holds 108 bytes with the final zero.
SOCKET_PATH_LENGTH = 107


class Controller(str, Enum):
    """How a disk is connected; one machine may mix them."""

    VIRTIO_BLK = "virtio-blk"
    PVSCSI = "pvscsi"


class NicModel(str, Enum):
    VIRTIO = "virtio-net-pci"
    VMXNET3 = "vmxnet3"


class Acceleration(str, Enum):
    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True)
class Disk:
    """One disk. `boot_order` is its place among what the firmware tries; None: never booted from."""

    path: Path
    unit: int
    controller: Controller = Controller.VIRTIO_BLK
    format: str = "qcow2"
    serial: str = ""
    boot_order: int | None = None


@dataclass(frozen=True)
class Medium:
    """A CD in a drive; read-only."""

    path: Path
    boot_order: int | None = None


@dataclass(frozen=True)
class Nic:
    """One network card: its tap is a port of `network` before the machine starts."""

    mac: str
    tap: str
    network: str
    model: NicModel = NicModel.VIRTIO


@dataclass(frozen=True)
class DirectBoot:
    """A kernel that QEMU hands to the firmware, where that has no driver for the machine's disks.

    It is what the firmware tries first: no disk has the boot order 0 beside it.
    """

    kernel: Path
    initramfs: Path
    words: str


@dataclass(frozen=True)
class Machine:
    """A machine that QEMU can run. `directory` holds its sockets and pid, and is its identity.

    `cpus` are those it has where they are real. Its firmware is a BIOS, or UEFI with a memory of its own that is
    empty at the machine's first start.
    """

    name: str
    directory: Path
    console: Path
    # In bytes.
    memory: int
    cpus: int
    disks: Sequence[Disk] = ()
    nics: Sequence[Nic] = ()
    medium: Medium | None = None
    namespace: str = ""
    acceleration: Acceleration = Acceleration.TCG
    is_uefi: bool = False
    direct_boot: DirectBoot | None = None

    @property
    def qmp_socket(self) -> Path:
        return self.directory / "qmp.sock"

    @property
    def agent_socket(self) -> Path:
        return self.directory / "agent.sock"

    @property
    def uefi_memory(self) -> Path:
        return self.directory / "uefi.fd"

    @property
    def pid_file(self) -> Path:
        return self.directory / "pid"


def command_line(machine: Machine) -> list[str]:
    """The QEMU command that runs the machine detached; raises LabError if no such machine can be."""
    _refuse_long_sockets(machine)
    return [
        "qemu-system-x86_64",
        *_frame(machine),
        *(_uefi(machine.uefi_memory) if machine.is_uefi else ()),
        *_direct_boot(machine.direct_boot),
        *_console(machine),
        *_channels(machine),
        *(word for nic in enumerate(machine.nics) for word in _nic(*nic)),
        *_disks(machine.disks),
        *_medium(machine.medium),
    ]


def _frame(machine: Machine) -> list[str]:
    return [
        *("-name", f"{machine.name},process={machine.name[:15]}"),
        "-nodefaults",
        *("-machine", "pc"),
        *_acceleration(machine.acceleration),
        *("-m", f"{machine.memory >> 20}M"),
        *("-smp", str(_cpus(machine))),
        # Strict: the firmware tries what has a boot order and nothing else.
        *("-boot", "strict=on"),
        *("-display", "none"),
        *("-device", f"VGA,addr={VGA_SLOT:#x}"),
        "-daemonize",
        *("-pidfile", str(machine.pid_file)),
    ]


def _cpus(machine: Machine) -> int:
    """Return how many processors the machine gets: one where they are emulated.

    Two wait for each other's interrupts and locks, and burn the host's time while the other has none of it: two
    machines that booted at once on two processors took 48 s with two each, and 29 s with one.
    """
    return machine.cpus if machine.acceleration is Acceleration.KVM else 1


def _uefi(memory: Path) -> list[str]:
    code = f"if=pflash,unit=0,format=raw,readonly=on,file={_escape(UEFI_CODE)}"
    return ["-drive", code, "-drive", f"if=pflash,unit=1,format=raw,file={_escape(memory)}"]


def _direct_boot(boot: DirectBoot | None) -> list[str]:
    if boot is None:
        return []
    files = ("-kernel", str(boot.kernel), "-initrd", str(boot.initramfs))
    return [*files, "-append", boot.words]


def _acceleration(acceleration: Acceleration) -> list[str]:
    if acceleration is Acceleration.KVM:
        return ["-accel", "kvm", "-cpu", "host"]
    # Libraries choose AVX where there is some, and emulated it is slow: without it OpenSSL's AES-GCM was seven
    # times and its SHA-256 three times as fast (37 for 5 and 49 for 13 MB/s, QEMU 7.2). With ERMS the kernel copies
    # and clears memory by string instructions over bytes, which the emulator does one at a time: a mebibyte
    # through a socket took 93 ms with it and 7 ms without.
    return ["-accel", "tcg,thread=multi", "-cpu", "max,avx=off,avx2=off,erms=off"]


def _console(machine: Machine) -> list[str]:
    # Appended to: a boot before this one may be what somebody looks for.
    file = f"file,id=console,path={_escape(machine.console)},append=on"
    return ["-chardev", file, "-serial", "chardev:console"]


def _channels(machine: Machine) -> list[str]:
    agent = f"socket,id=agent,path={_escape(machine.agent_socket)},server=on,wait=off"
    return [
        *("-qmp", f"unix:{_escape(machine.qmp_socket)},server=on,wait=off"),
        *("-chardev", agent),
        *("-device", f"virtio-serial-pci,addr={AGENT_SLOT:#x}"),
        *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
    ]


def _nic(number: int, nic: Nic) -> list[str]:
    if number >= NIC_COUNT:
        raise LabError(f"A machine of the lab has at most {NIC_COUNT} NICs")
    # No boot ROM: nothing here boots from the network, and Debian has the ROMs in another package.
    card = f"{nic.model.value},netdev=net{number},mac={nic.mac},addr={FIRST_NIC_SLOT + number:#x}"
    return [
        *("-netdev", f"tap,id=net{number},ifname={nic.tap},script=no,downscript=no"),
        *("-device", f"{card},romfile="),
    ]


def _disks(disks: Sequence[Disk]) -> list[str]:
    words: list[str] = []
    if any(disk.controller is Controller.PVSCSI for disk in disks):
        words += ["-device", f"pvscsi,id=pvscsi,addr={PVSCSI_SLOT:#x}"]
    for disk in sorted(disks, key=lambda each: each.unit):
        words += ["-blockdev", json.dumps(_block_node(disk)), "-device", _disk_device(disk)]
    return words


def _block_node(disk: Disk) -> dict[str, object]:
    # No flushes to the host's disk: the page cache outlives a killed QEMU, and the lab does not
    # outlive its host. It is what makes package installation in a guest bearable.
    cache = {"no-flush": True}
    file = {"driver": "file", "filename": str(disk.path), "cache": cache, "discard": "unmap"}
    return {
        "driver": disk.format,
        "node-name": _node(disk),
        "cache": cache,
        "discard": "unmap",
        "file": file,
    }


def _disk_device(disk: Disk) -> str:
    device = {
        Controller.VIRTIO_BLK: f"virtio-blk-pci,addr={FIRST_DISK_SLOT + disk.unit:#x}",
        Controller.PVSCSI: f"scsi-hd,bus=pvscsi.0,scsi-id={disk.unit},lun=0",
    }[disk.controller]
    units = VIRTIO_UNITS if disk.controller is Controller.VIRTIO_BLK else PVSCSI_UNITS
    if disk.unit not in units:
        raise LabError(f"{disk.controller.value} has no unit {disk.unit} (disk {disk.path})")
    serial = f",serial={disk.serial[:SERIAL_LENGTH]}" if disk.serial else ""
    return f"{device},drive={_node(disk)}{serial}{_boot_order(disk.boot_order)}"


def _node(disk: Disk) -> str:
    return f"{disk.controller.value}-{disk.unit}"


def _medium(medium: Medium | None) -> list[str]:
    if medium is None:
        return []
    file = {"driver": "file", "filename": str(medium.path)}
    node = {"driver": "raw", "node-name": "medium", "read-only": True, "file": file}
    device = f"ide-cd,bus=ide.0,id=cd,drive=medium{_boot_order(medium.boot_order)}"
    return ["-blockdev", json.dumps(node), "-device", device]


def _boot_order(order: int | None) -> str:
    return "" if order is None else f",bootindex={order}"


def _escape(path: Path) -> str:
    """QEMU's option lists end a value at a comma; a doubled one stands for itself."""
    return str(path).replace(",", ",,")


def _refuse_long_sockets(machine: Machine) -> None:
    for socket in (machine.qmp_socket, machine.agent_socket):
        if len(str(socket)) > SOCKET_PATH_LENGTH:
            raise LabError(
                f"The path {socket} is too long for a Unix socket ({SOCKET_PATH_LENGTH} characters)",
                "Set FERRY_CACHE to a directory with a shorter path.",
            )
