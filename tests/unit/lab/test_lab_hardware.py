# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.hardware import (
    Acceleration,
    Controller,
    DirectBoot,
    Disk,
    Machine,
    Medium,
    Nic,
    NicModel,
    command_line,
)

MACHINE = Machine(
    name="web01",
    directory=Path("/m"),
    console=Path("/m/console.log"),
    memory=1 << 30,
    cpus=2,
)


def words_after(machine: Machine, option: str) -> list[str]:
    words = command_line(machine)
    return [words[place + 1] for place, word in enumerate(words) if word == option]


def device(machine: Machine, kind: str) -> dict[str, str]:
    """The properties of the machine's only device of this kind."""
    (found,) = [each for each in words_after(machine, "-device") if each.split(",")[0] == kind]
    return dict(part.split("=", 1) for part in found.split(",")[1:])


def with_disk(**more: Any) -> Machine:
    return replace(MACHINE, disks=[Disk(Path("/v.qcow2"), **{"unit": 0, **more})])


def test_a_machine_runs_detached_and_is_found_by_files_in_its_directory() -> None:
    assert "-daemonize" in command_line(MACHINE)
    assert words_after(MACHINE, "-pidfile") == ["/m/pid"]
    assert words_after(MACHINE, "-qmp") == ["unix:/m/qmp.sock,server=on,wait=off"]
    assert words_after(MACHINE, "-m") == ["1024M"]


def test_the_firmware_tries_only_what_has_a_boot_order() -> None:
    assert words_after(MACHINE, "-boot") == ["strict=on"]
    assert "bootindex" not in device(with_disk(), "virtio-blk-pci")
    assert device(with_disk(boot_order=0), "virtio-blk-pci")["bootindex"] == "0"


def test_a_machine_with_uefi_has_a_memory_of_its_own() -> None:
    assert "-drive" not in command_line(MACHINE)
    code, memory = words_after(replace(MACHINE, is_uefi=True), "-drive")
    assert "readonly=on" in code
    assert "unit=1" in memory
    assert memory.endswith(",file=/m/uefi.fd")


@pytest.mark.parametrize(
    ("acceleration", "cpus"), [(Acceleration.KVM, "2"), (Acceleration.TCG, "1")]
)
def test_emulated_processors_are_not_made_to_wait_for_each_other(
    acceleration: Acceleration, cpus: str
) -> None:
    assert words_after(replace(MACHINE, acceleration=acceleration), "-smp") == [cpus]


def test_a_kernel_of_its_own_is_handed_to_the_firmware() -> None:
    boot = DirectBoot(Path("/k"), Path("/i"), "root=/dev/sda2 ro")
    machine = replace(MACHINE, direct_boot=boot)
    assert words_after(machine, "-kernel") == ["/k"]
    assert words_after(machine, "-initrd") == ["/i"]
    assert words_after(machine, "-append") == ["root=/dev/sda2 ro"]


@pytest.mark.parametrize(("unit", "slot"), [(0, "0xa"), (1, "0xb"), (21, "0x1f")])
def test_a_virtio_disk_has_the_pci_slot_of_its_unit(unit: int, slot: str) -> None:
    assert device(with_disk(unit=unit), "virtio-blk-pci")["addr"] == slot


def test_a_virtio_disk_shows_the_first_twenty_characters_of_its_serial() -> None:
    serial = "0a167348-2e33-491d-91c3-6a15b620cd5b"

    shown = device(with_disk(serial=serial), "virtio-blk-pci")["serial"]

    assert shown == "0a167348-2e33-491d-9"


def test_a_disk_of_a_source_hangs_on_pvscsi() -> None:
    machine = with_disk(unit=1, controller=Controller.PVSCSI)

    assert device(machine, "pvscsi")["id"] == "pvscsi"
    assert device(machine, "scsi-hd")["bus"] == "pvscsi.0"
    assert device(machine, "scsi-hd")["scsi-id"] == "1"


def test_the_node_and_the_device_of_a_disk_belong_together() -> None:
    machine = with_disk(unit=3, format="raw")
    (node,) = [json.loads(text) for text in words_after(machine, "-blockdev")]

    assert device(machine, "virtio-blk-pci")["drive"] == node["node-name"]
    assert (node["driver"], node["file"]["filename"]) == ("raw", "/v.qcow2")


@pytest.mark.parametrize(
    ("controller", "unit"),
    [(Controller.VIRTIO_BLK, 22), (Controller.PVSCSI, 7), (Controller.PVSCSI, 16)],
)
def test_a_unit_that_the_controller_has_not_is_refused(controller: Controller, unit: int) -> None:
    with pytest.raises(LabError, match=f"{controller.value} has no unit {unit}"):
        command_line(with_disk(controller=controller, unit=unit))


@pytest.mark.parametrize("model", list(NicModel))
def test_a_nic_is_joined_to_its_tap(model: NicModel) -> None:
    machine = replace(MACHINE, nics=[Nic("52:54:00:00:00:01", "tap7", "migration", model)])

    card = device(machine, model.value)

    assert (card["mac"], card["addr"], card["romfile"]) == ("52:54:00:00:00:01", "0x3", "")
    assert words_after(machine, "-netdev") == [
        f"tap,id={card['netdev']},ifname=tap7,script=no,downscript=no"
    ]


def test_a_fifth_nic_is_refused() -> None:
    nics = [Nic(f"52:54:00:00:00:0{n}", f"tap{n}", "migration") for n in range(5)]

    with pytest.raises(LabError, match="at most 4 NICs"):
        command_line(replace(MACHINE, nics=nics))


def test_a_medium_is_a_read_only_cd_that_may_be_booted_from() -> None:
    machine = replace(MACHINE, medium=Medium(Path("/w.iso"), boot_order=1))
    (node,) = [json.loads(text) for text in words_after(machine, "-blockdev")]

    assert node["read-only"] is True
    assert device(machine, "ide-cd")["bootindex"] == "1"


@pytest.mark.parametrize(
    ("acceleration", "words"),
    [
        (Acceleration.TCG, ("tcg,thread=multi", "max,avx=off,avx2=off,erms=off")),
        (Acceleration.KVM, ("kvm", "host")),
    ],
)
def test_the_processor_goes_with_the_acceleration(
    acceleration: Acceleration, words: tuple[str, str]
) -> None:
    machine = replace(MACHINE, acceleration=acceleration)

    assert (*words_after(machine, "-accel"), *words_after(machine, "-cpu")) == words


def test_a_comma_in_a_path_does_not_end_an_option() -> None:
    machine = replace(MACHINE, console=Path("/a,b/console"))

    assert "file,id=console,path=/a,,b/console,append=on" in command_line(machine)


def test_a_path_too_long_for_a_socket_is_refused_before_qemu_is_asked() -> None:
    machine = replace(MACHINE, directory=Path("/" + "x" * 100))

    with pytest.raises(LabError, match="too long for a Unix socket"):
        command_line(machine)
