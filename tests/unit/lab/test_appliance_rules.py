# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.appliance import rules
from lab.appliance.records import Image, Instance, InstanceStatus, PowerState, Records, Volume
from lab.appliance.refusals import RefusedError
from lab.appliance.settings import GIB


def instance(status: InstanceStatus = InstanceStatus.STOPPED, number: int = 1) -> Instance:
    power = PowerState.ON if status is InstanceStatus.RUNNING else PowerState.OFF
    return Instance(number, 10, 20, 30, f"web0{number}", 71, {}, status=status, power=power)


def volume(number: int, *, of: int | None = None, unit: int = 0, root: bool = False) -> Volume:
    return Volume(
        number,
        f"disk-{number}",
        GIB,
        12,
        "1-2-3",
        instance=of,
        unit=None if of is None else unit,
        root=root,
        status="provisioned",
    )


@pytest.fixture
def records() -> Records:
    """Two stopped instances, each with a root at unit 0, and a volume that belongs to neither."""
    records = Records(Path("unused"))
    records.instances = {1: instance(), 2: instance(number=2)}
    volumes = [volume(51, of=1, root=True), volume(52, of=2, root=True), volume(53)]
    records.volumes = {each.id: each for each in volumes}
    return records


@pytest.mark.parametrize(
    "status",
    [status for status in InstanceStatus if status in rules.MOVING],
)
def test_nothing_happens_to_an_instance_that_is_moving(status: InstanceStatus) -> None:
    moving = instance(status)
    root = volume(51, of=1, root=True)

    checks: list[Callable[[], None]] = [
        lambda: rules.check_start(moving, [root]),
        lambda: rules.check_detach(moving, root),
        lambda: rules.check_instance_removal(moving, force=False),
        lambda: rules.check_off(moving),
    ]
    for check in checks:
        with pytest.raises(RefusedError, match=f"web01 is busy \\({status.value}\\)"):
            check()


def test_force_removes_an_instance_that_is_stuck_but_not_one_that_is_locked() -> None:
    stuck = instance(InstanceStatus.STOPPING)
    rules.check_instance_removal(stuck, force=True)

    stuck.locked = True
    with pytest.raises(RefusedError, match="is locked"):
        rules.check_instance_removal(stuck, force=True)


@pytest.mark.parametrize(
    ("status", "power"),
    [
        (InstanceStatus.RUNNING, PowerState.ON),
        pytest.param(InstanceStatus.STOPPED, PowerState.ON, id="stopped by name only"),
        pytest.param(InstanceStatus.RUNNING, PowerState.OFF, id="not yet noticed"),
    ],
)
def test_an_instance_is_off_only_if_status_and_power_say_so(
    status: InstanceStatus, power: PowerState
) -> None:
    running = instance(status)
    running.power = power

    with pytest.raises(RefusedError, match="must be stopped first"):
        rules.check_detach(running, volume(51, of=1))


def test_a_free_volume_may_join_a_stopped_instance_beside_its_root(records: Records) -> None:
    rules.check_attach(records, records.instances[1], records.volumes[53], unit=1, root=False)


def test_a_root_may_join_where_there_is_none(records: Records) -> None:
    records.volumes[51].release()

    rules.check_attach(records, records.instances[1], records.volumes[53], unit=0, root=True)


@pytest.mark.parametrize(
    ("number", "unit", "root", "reason"),
    [
        pytest.param(52, 1, False, "is attached to web02", id="held by another"),
        pytest.param(51, 1, False, "is attached to web01", id="held by itself"),
        pytest.param(53, 0, False, "Unit 0 is taken", id="taken unit"),
        pytest.param(53, 22, False, "Unit 22 does not exist: 0 to 21 do", id="no such unit"),
        pytest.param(53, 1, True, "has a root volume already: disk-51", id="second root"),
    ],
)
def test_an_illegal_attach_says_why(
    records: Records, number: int, unit: int, root: bool, reason: str
) -> None:
    joining = records.volumes[number]

    with pytest.raises(RefusedError, match=reason):
        rules.check_attach(records, records.instances[1], joining, unit=unit, root=root)


def test_a_volume_that_is_not_ready_does_not_join(records: Records) -> None:
    records.volumes[53].status = "pending"

    with pytest.raises(RefusedError, match="it is pending"):
        rules.check_attach(records, records.instances[1], records.volumes[53], unit=1, root=False)


def test_an_attached_volume_is_not_deleted(records: Records) -> None:
    rules.check_volume_removal(records, records.volumes[53])
    with pytest.raises(RefusedError, match="is attached to web01 and cannot be deleted"):
        rules.check_volume_removal(records, records.volumes[51])


def test_a_start_needs_a_root(records: Records) -> None:
    rules.check_start(records.instances[1], records.volumes_of(records.instances[1]))
    with pytest.raises(RefusedError, match="has no root volume"):
        rules.check_start(records.instances[1], [volume(51, of=1)])


def image(status: str = "Active", files: int = 1) -> Image:
    return Image(5, "w", "raw", {}, files={f"f{n}": 1 for n in range(files)}, status=status)


@pytest.mark.parametrize(
    ("check", "field"),
    [
        (lambda records: rules.check_name(records, "web02"), "name"),
        (lambda records: rules.check_name(records, ""), "name"),
        (lambda records: rules.check_name(records, "a/b"), "name"),
        (lambda _unused: rules.check_space(2, 1), "volumes"),
        (lambda records: rules.check_growth(records, volume(1), GIB - 1), "volumes"),
        (lambda _unused: rules.check_image(image("Saving")), "imageId"),
        (lambda _unused: rules.check_image(image(files=0)), "imageId"),
        (lambda _unused: rules.check_image_fits(image(), GIB + 1, GIB), "volumes"),
    ],
)
def test_a_wish_that_cannot_be_names_its_field_with_a_200(
    records: Records, check: Callable[[Records], None], field: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        check(records)

    assert refused.value.status == 200
    assert list(refused.value.errors or {}) == [field]


def test_what_just_fits_is_accepted(records: Records) -> None:
    rules.check_name(records, "web03")
    rules.check_space(1, 1)
    rules.check_growth(records, volume(1), GIB)
    rules.check_image(image())
    rules.check_image_fits(image(), GIB, GIB)
