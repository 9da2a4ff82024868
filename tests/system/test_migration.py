# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole migrations: running servers cross to an appliance, and their clones boot.

The tests of this file are one story, told in its order, because every boot is emulated: two servers
cross in one run; one is carried on by a controller that is killed and by another that knows nothing;
the other falls silent and is compared byte for byte; then what can go wrong goes wrong. After each
chapter nothing may be left.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from lab import migration
from lab.login import on_source
from lab.settings import lab_settings
from lab.up import bring_up, take_down
from tests.support.migration_world import CHECKOUT, World, differs

pytestmark = [pytest.mark.boots, pytest.mark.timeout(1500)]

SOURCES = ("web01", "db01")

# A changed byte costs at most its granule, and its file system's journal and inodes cost some more.
ENOUGH_FOR_SMALL_CHANGES = 24 << 20


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    lab = lab_settings("test")
    take_down(lab, keep=False)
    bring_up(lab, SOURCES)
    try:
        yield World.of(lab, migration.build_worker_image())
    finally:
        take_down(lab, keep=False)


@pytest.fixture(scope="module")
def first_sync(world: World) -> dict[str, Any]:
    """Both servers crossed in one run; returns the run's report."""
    for source in SOURCES:
        migration.source_report(world.lab, source)
    return world.sync("initial_os", ",".join(SOURCES))


@pytest.fixture(scope="module")
def running_clones(world: World, first_sync: dict[str, Any]) -> tuple[str, ...]:
    """The clones of both servers came up and were proven."""
    for name in first_sync:
        source = migration.source_report(world.lab, name)
        assert_clone_is_proven(world, name, 0, source.file_count)
    return tuple(first_sync)


@pytest.fixture(scope="module")
def clones(world: World, running_clones: tuple[str, ...]) -> tuple[str, ...]:
    """The clones were proven, and are off."""
    for name in running_clones:
        world.power_off(name)
    return running_clones


def assert_clone_is_proven(world: World, name: str, booted: int, file_count: int) -> None:
    source = migration.source_report(world.lab, name)
    console = migration.clone_console(world.lab, name)
    proof = migration.prove(source, migration.wait_for_report(console, booted), file_count)
    assert [fact for fact, held in proof.facts if not held] == []


def test_two_servers_cross_in_one_run(world: World, running_clones: tuple[str, ...]) -> None:
    assert set(running_clones) == set(SOURCES)
    assert world.leftovers(*SOURCES) == []


@pytest.mark.soak
@pytest.mark.usefixtures("running_clones")
@pytest.mark.parametrize("playbook", ["initial_os", "delta_os"])
def test_a_dry_run_over_a_running_clone_tells_its_plan_and_leaves_it_running(
    world: World, playbook: str
) -> None:
    run = world.play(playbook, "web01", "--check", "--diff")
    assert run.returncode == 0, run.output
    assert "web01 would run the worker on network" in run.output
    assert world.instance("web01")["status"] == "running"
    assert world.leftovers("web01") == []


def test_a_clone_is_on_the_isolated_network_with_a_mac_of_its_own(
    world: World, clones: tuple[str, ...]
) -> None:
    for name in clones:
        (nic,) = world.server(name)["interfaces"]
        assert nic["network"]["name"] == "isolated"
        assert nic["macAddress"] != migration.source_report(world.lab, name).interfaces[0].mac


@pytest.mark.usefixtures("clones")
def test_a_dry_run_changes_nothing_anywhere(world: World) -> None:
    before, files = world.state(), world.source_files("web01")
    run = world.play("delta_os", ",".join(SOURCES), "--check", "--diff")
    assert run.returncode == 0, run.output
    assert world.state() == before
    assert set(world.source_files("web01")) ^ set(files) == set()
    assert world.leftovers(*SOURCES) == []


# At the least limit there is, this much takes three minutes: as long a sync outlives its controller for sure.
SLOW_RUN = ("-e", "ferry_bandwidth_limit=65536")
MAKE_BALLAST = "head -c 12M /dev/urandom > /var/tmp/ballast; sync"


@pytest.mark.parametrize(
    ("other", "told"),
    [
        pytest.param((), "it is followed", id="the same command follows the run"),
        pytest.param(
            ("-e", "ferry_source_view=moving"),
            "does something else than this command",
            id="another command begins anew",
            marks=pytest.mark.soak,
        ),
    ],
)
@pytest.mark.usefixtures("clones")
def test_a_killed_controller_is_followed_by_one_with_an_empty_home(
    world: World, other: tuple[str, ...], told: str
) -> None:
    world.power_off("web01")
    file_count = migration.change_source(world.lab, "web01", "before-the-kill")
    on_source(world.lab, "web01", "sh", "-c", MAKE_BALLAST)
    console = migration.clone_console(world.lab, "web01")
    booted = migration.report_count(console)
    kill_during_replication(world.command("delta_os", "web01", *SLOW_RUN))
    assert world.leftovers("web01") != []
    helpers = world.leftovers()
    # A run that preflight refuses has made nothing, and takes nothing from one that is at work.
    refused = world.play("delta_os", "web01", "-e", '{"ferry_source_disks": ["sdz"]}')
    assert refused.returncode != 0
    assert world.leftovers() == helpers
    # A short path: SSH's sockets lie in it, and pytest's folders are too deep for them.
    with tempfile.TemporaryDirectory(prefix="home-", dir="/tmp") as home:
        run = world.play("delta_os", "web01", *other, environment={"HOME": home})
    assert run.returncode == 0, run.output
    assert told in " ".join(run.output.split()), run.output
    assert_clone_is_proven(world, "web01", booted, file_count)
    assert world.leftovers("web01") == []


def kill_during_replication(command: list[str]) -> None:
    """SIGKILL the playbook, and every process it started, when data flows."""
    playbook = subprocess.Popen(
        command,
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert playbook.stdout is not None
    heard = []
    for line in playbook.stdout:
        heard.append(line)
        if " saved " in line:
            break
    os.killpg(playbook.pid, signal.SIGKILL)
    playbook.wait()
    assert " saved " in heard[-1], "".join(heard)


# The guest is left as it was carried, so that every byte can be compared.
CARRIED_ONLY = ("--skip-tags", "prepare_target,start_instance")


@pytest.fixture(scope="module")
def silent_source(world: World, clones: tuple[str, ...]) -> str:
    """A source that was changed, and then fell silent."""
    name = clones[-1]
    migration.change_source(world.lab, name, "before-the-silence")
    fall_silent(world, name)
    return name


def test_a_delta_of_a_silent_source_is_equal_byte_for_byte(
    world: World, silent_source: str
) -> None:
    """It sends about what changed."""
    sent = world.sent(world.sync("delta_os", silent_source, *CARRIED_ONLY), silent_source)
    assert 0 < sent < ENOUGH_FOR_SMALL_CHANGES
    assert_equals_source(world, silent_source, instance=silent_source)


@pytest.mark.soak
def test_another_delta_of_a_silent_source_finds_nothing_to_send(
    world: World, silent_source: str
) -> None:
    again = world.sync("delta_os", silent_source, *CARRIED_ONLY)
    assert world.data(again, silent_source) == 0
    assert_equals_source(world, silent_source, instance=silent_source)


@pytest.mark.soak
def test_a_first_sync_of_a_silent_source_is_equal_byte_for_byte(
    world: World, silent_source: str
) -> None:
    anew = "ferry_instance=anew ferry_migration_id=anew"
    try:
        world.sync("initial_os", silent_source, *CARRIED_ONLY, "-e", anew)
        assert_equals_source(world, silent_source, instance="anew")
    finally:
        world.remove_instance("anew")
    assert world.leftovers(silent_source) == []


def assert_equals_source(world: World, source: str, *, instance: str) -> None:
    for disk in ("sda", "sdb"):
        original = world.lab.source_directory(source) / f"{disk}.qcow2"
        assert differs(original, world.volume_file(instance, disk)) == ""


def fall_silent(world: World, source: str) -> None:
    """Nothing writes to the source's disks any more: all file systems are read-only."""
    on_source(world.lab, source, "sh", "-c", "sync; echo u > /proc/sysrq-trigger; sync")


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        pytest.param(
            "ferry_morpheus_password=wrong",
            ["198.18.16.2:8443", "operator"],
            id="a wrong password names appliance and user",
        ),
        pytest.param(
            "ferry_morpheus_ca_path=/etc/ssl/certs/ca-certificates.crt",
            ["certificate", "198.18.16.2"],
            id="a wrong certificate names the appliance",
        ),
        pytest.param(
            '{"ferry_source_disks": ["sdz"], "ferry_guest_network": "migration"}',
            ["sdz", "sda", "guest_network_reaches_source"],
            id="a disk that the source has not, and a clone beside its source",
        ),
        pytest.param(
            '{"ferry_disk_map": {"sda": "sdb", "sdb": "sdb"}}',
            ["Two disks have one volume", "ferry_disk_map"],
            id="two disks for one volume",
        ),
    ],
)
@pytest.mark.usefixtures("clones")
def test_bad_input_is_refused_before_anything_changes(
    world: World, extra: str, expected: list[str]
) -> None:
    world.power_off("web01")
    before = world.state()
    run = world.play("delta_os", "web01", "-e", extra)
    assert run.returncode != 0
    assert [word for word in expected if word not in run.output] == [], run.output
    assert world.state() == before


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        pytest.param(
            "ferry_source_address=198.18.17.1",
            ["198.18.17.1", "5994"],
            id="a closed data port names address and port",
            # A minute of boots; test_worker_replicate has the same error in seconds.
            marks=pytest.mark.soak,
        ),
        pytest.param(
            "ferry_worker_timeout=3",
            ["instance web01 told no address within 3 s", "console"],
            id="a worker that does not come up in time names its instance",
        ),
    ],
)
@pytest.mark.usefixtures("clones")
def test_a_failure_on_the_way_leaves_nothing(world: World, extra: str, expected: list[str]) -> None:
    # A worker that is still booting does not hear the power button: its power is cut soon.
    with world.behaviour("stop_deadline", 5.0):
        run = world.play("delta_os", "web01", "-e", extra)
    assert run.returncode != 0
    assert [word for word in expected if word not in run.output] == [], run.output
    assert world.leftovers("web01") == []
    assert world.roots("web01") == ["sda"]


@pytest.mark.usefixtures("clones")
def test_a_full_datastore_is_told_and_nothing_is_left(world: World) -> None:
    with world.behaviour("capacity", 1 << 30):
        run = world.play("delta_os", "web01")
    assert run.returncode != 0
    assert "not enough space on the datastore" in run.output, run.output
    assert world.leftovers("web01") == []
    assert world.roots("web01") == ["sda"]


@pytest.mark.usefixtures("clones")
def test_no_clone_ever_came_up_where_its_source_is(world: World) -> None:
    """After all the chapters, failures too: on the source's networks only the worker was booted."""
    source_macs = {
        interface.mac
        for name in SOURCES
        for interface in migration.source_report(world.lab, name).interfaces
    }
    launches = world.launches()
    assert {instance for instance, _root, _networks, _macs in launches} >= set(SOURCES)
    for instance, root, networks, macs in launches:
        is_worker = root == f"ferry-worker-{instance}"
        assert networks == (["migration"] if is_worker else ["isolated"]), (instance, root)
        assert source_macs.isdisjoint(macs), (instance, root)
