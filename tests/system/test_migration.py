# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole migration: a running server crosses to an appliance, and its clone boots.

The tests of this file are one story, told in its order, because every boot is emulated: a server crosses;
it is carried on by a controller that is killed and by another that knows nothing; then what can go wrong
goes wrong; in the end it falls silent and is compared byte for byte. After each chapter nothing may be left.
Two servers in one run are told of in test_two_servers.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator

import pytest

from lab import migration
from lab.login import on_source
from lab.settings import lab_settings
from lab.up import bring_up, take_down
from tests.support.migration_world import CHECKOUT, World, differs

pytestmark = [pytest.mark.boots, pytest.mark.timeout(1500)]

SOURCE = "web01"

# A changed byte costs at most its granule, and its file system's journal and inodes cost some more.
ENOUGH_FOR_SMALL_CHANGES = 24 << 20


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    lab = lab_settings("test")
    take_down(lab, keep=False)
    bring_up(lab, [SOURCE])
    try:
        yield World.of(lab, migration.build_worker_image())
    finally:
        take_down(lab, keep=False)


@pytest.fixture(scope="module")
def running_clone(world: World) -> str:
    """The server crossed, its clone came up and was proven; returns its name."""
    source = migration.source_report(world.lab, SOURCE)
    world.sync("initial_os", SOURCE)
    assert world.await_proof(SOURCE, 0, source.file_count) == []
    return SOURCE


@pytest.fixture(scope="module")
def clone(world: World, running_clone: str) -> str:
    """The clone was proven, and is off."""
    world.power_off(running_clone)
    return running_clone


@pytest.mark.usefixtures("running_clone")
def test_a_server_crosses(world: World) -> None:
    assert world.leftovers(SOURCE) == []


@pytest.mark.soak
@pytest.mark.usefixtures("running_clone")
@pytest.mark.parametrize("playbook", ["initial_os", "delta_os"])
def test_a_dry_run_over_a_running_clone_tells_its_plan_and_leaves_it_running(
    world: World, playbook: str
) -> None:
    run = world.play(playbook, SOURCE, "--check", "--diff")
    assert run.returncode == 0, run.output
    assert "web01 would run the worker on network" in run.output
    assert world.instance(SOURCE)["status"] == "running"
    assert world.leftovers(SOURCE) == []


def test_a_clone_is_on_the_isolated_network_with_a_mac_of_its_own(world: World, clone: str) -> None:
    (nic,) = world.server(clone)["interfaces"]
    assert nic["network"]["name"] == "isolated"
    assert nic["macAddress"] != migration.source_report(world.lab, clone).interfaces[0].mac


@pytest.mark.usefixtures("clone")
def test_a_dry_run_changes_nothing_anywhere(world: World) -> None:
    before, files = world.state(), world.source_files(SOURCE)
    run = world.play("delta_os", SOURCE, "--check", "--diff")
    assert run.returncode == 0, run.output
    assert world.state() == before
    assert set(world.source_files(SOURCE)) ^ set(files) == set()
    assert world.leftovers(SOURCE) == []


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
@pytest.mark.usefixtures("clone")
def test_a_killed_controller_is_followed_by_one_with_an_empty_home(
    world: World, other: tuple[str, ...], told: str
) -> None:
    world.power_off(SOURCE)
    file_count = migration.change_source(world.lab, SOURCE, "before-the-kill")
    on_source(world.lab, SOURCE, "sh", "-c", MAKE_BALLAST)
    console = migration.clone_console(world.lab, SOURCE)
    booted = migration.report_count(console)
    kill_during_replication(world.command("delta_os", SOURCE, *SLOW_RUN))
    assert world.leftovers(SOURCE) != []
    helpers = world.leftovers()
    # A run that preflight refuses has made nothing, and takes nothing from one that is at work.
    refused = world.play("delta_os", SOURCE, "-e", '{"ferry_source_disks": ["sdz"]}')
    assert refused.returncode != 0
    assert world.leftovers() == helpers
    # A short path: SSH's sockets lie in it, and pytest's folders are too deep for them.
    with tempfile.TemporaryDirectory(prefix="home-", dir="/tmp") as home:
        run = world.play("delta_os", SOURCE, *other, environment={"HOME": home})
    assert run.returncode == 0, run.output
    assert told in " ".join(run.output.split()), run.output
    assert world.await_proof(SOURCE, booted, file_count) == []
    assert world.leftovers(SOURCE) == []


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
@pytest.mark.usefixtures("clone")
def test_bad_input_is_refused_before_anything_changes(
    world: World, extra: str, expected: list[str]
) -> None:
    world.power_off(SOURCE)
    before = world.state()
    run = world.play("delta_os", SOURCE, "-e", extra)
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
@pytest.mark.usefixtures("clone")
def test_a_failure_on_the_way_leaves_nothing(world: World, extra: str, expected: list[str]) -> None:
    # A worker that is still booting does not hear the power button: its power is cut soon.
    with world.behaviour("stop_deadline", 5.0):
        run = world.play("delta_os", SOURCE, "-e", extra)
    assert run.returncode != 0
    assert [word for word in expected if word not in run.output] == [], run.output
    assert world.leftovers(SOURCE) == []
    assert world.roots(SOURCE) == ["sda"]


@pytest.mark.usefixtures("clone")
def test_a_full_datastore_is_told_and_nothing_is_left(world: World) -> None:
    with world.behaviour("capacity", 1 << 30):
        run = world.play("delta_os", SOURCE)
    assert run.returncode != 0
    assert "not enough space on the datastore" in run.output, run.output
    assert world.leftovers(SOURCE) == []
    assert world.roots(SOURCE) == ["sda"]


# The guest is left as it was carried, so that every byte can be compared.
CARRIED_ONLY = ("--skip-tags", "prepare_target,start_instance")


@pytest.fixture(scope="module")
def silent_source(world: World, clone: str) -> str:
    """A source that was changed, and then fell silent."""
    migration.change_source(world.lab, clone, "before-the-silence")
    fall_silent(world, clone)
    return clone


# In every run a VM's disks are compared so, before its preparation (test_vm_migration.py).
@pytest.mark.soak
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


@pytest.mark.usefixtures("clone")
def test_no_clone_ever_came_up_where_its_source_is(world: World) -> None:
    """After all the chapters, failures too: on the source's networks only the worker was booted."""
    source_macs = {each.mac for each in migration.source_report(world.lab, SOURCE).interfaces}
    launches = world.launches()
    assert SOURCE in {instance for instance, _root, _networks, _macs in launches}
    for instance, root, networks, macs in launches:
        is_worker = root == f"ferry-worker-{instance}"
        assert networks == (["migration"] if is_worker else ["isolated"]), (instance, root)
        assert source_macs.isdisjoint(macs), (instance, root)
