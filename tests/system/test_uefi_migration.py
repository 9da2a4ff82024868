# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server with UEFI crosses as it runs: source, worker and clone are each booted by UEFI.

The target is made by the first sync, with an NVRAM that is empty at first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from lab import migration, qemu
from lab.accelerator import choose_acceleration
from lab.efi_source import efi_source_machine, make_efi_source
from lab.inventory import write_inventory
from lab.login import on_source
from lab.settings import lab_settings
from lab.up import bring_up, take_down
from tests.support.migration_world import World

pytestmark = [pytest.mark.boots, pytest.mark.soak, pytest.mark.timeout(3000)]

NAME = "web01"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    lab = lab_settings("uefi", 4)
    take_down(lab, keep=False)
    bring_up(lab, [])
    try:
        server = make_efi_source(lab, NAME)
        asyncio.run(qemu.start(efi_source_machine(lab, server, choose_acceleration())))
        lab.known_hosts.write_text(f"{server.address} {server.host_key}\n")
        write_inventory(lab, [NAME])
        yield World.of(lab, migration.build_worker_image())
    finally:
        take_down(lab, keep=False)


def test_a_server_with_uefi_crosses_and_its_clone_boots_by_uefi(world: World) -> None:
    source = migration.source_report(world.lab, NAME)
    on_source(world.lab, NAME, "test", "-d", "/sys/firmware/efi")

    world.sync("initial_os", NAME)

    assert world.await_proof(NAME, 0, source.file_count) == []
    tags = {each["name"]: each["value"] for each in world.instance(NAME)["tags"]}
    assert tags["ferry_firmware"] == "efi"
    assert world.leftovers(NAME) == []


def test_a_delta_of_it_boots_too(world: World) -> None:
    world.power_off(NAME)
    file_count = migration.change_source(world.lab, NAME, "before-the-delta")
    booted = migration.report_count(migration.clone_console(world.lab, NAME))

    world.sync("delta_os", NAME)

    assert world.await_proof(NAME, booted, file_count) == []
    assert world.leftovers(NAME) == []
