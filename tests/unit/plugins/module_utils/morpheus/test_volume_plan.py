# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps bring a volume to its place, and which moves are refused."""

from __future__ import annotations

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.errors import (
    NoSuchObjectError,
    NotAllowedNowError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.machines import Machine
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.volume_plan import (
    Attach,
    Delete,
    Detach,
    Place,
    VolumeSeen,
    plan_absent,
    plan_attached,
    plan_detached,
)

from tests.unit.plugins.module_utils.morpheus.samples import (
    CONTROLLER,
    DATA,
    ROOT,
    machine,
    volume,
    volume_json,
)

WORKER = volume(20, "ferry-worker-web01")
AS_ROOT = Place(is_root=True)
AS_DATA = Place(is_root=False)


def free(target: Machine) -> VolumeSeen:
    """The worker volume is attached to nothing, and `target` is named."""
    return VolumeSeen(WORKER, holder=None, machine=target)


def data_of(target: Machine) -> VolumeSeen:
    """The data volume of the named machine."""
    return VolumeSeen(volume(12, "data", unitNumber="1"), holder=target, machine=target)


def test_free_volume_becomes_the_root_at_the_lowest_free_unit() -> None:
    target = machine(volumes=[DATA])
    plan = plan_attached(free(target), AS_ROOT)
    (step,) = plan.steps
    assert isinstance(step, Attach)
    assert (step.controller_id, step.unit, step.as_root) == (CONTROLLER, 0, True)
    assert plan.before == {"attached_to": None, "root": False, "unit": None}
    assert plan.after == {"attached_to": "web01", "root": True, "unit": 0}


def test_volume_in_its_place_is_left_alone() -> None:
    target = machine()
    plan = plan_attached(data_of(target), AS_DATA)
    assert not plan.is_change
    assert plan.before == plan.after == {"attached_to": "web01", "root": False, "unit": 1}


def test_running_machine_with_the_volume_in_its_place_is_no_error() -> None:
    target = machine(status="running", power="on")
    assert not plan_attached(data_of(target), AS_DATA).is_change


def test_second_root_is_refused_and_the_first_one_named() -> None:
    with pytest.raises(NotAllowedNowError, match=r'already boots from volume "root" \(id 11\)'):
        plan_attached(free(machine()), AS_ROOT)


def test_volume_changes_its_role_in_two_steps_and_keeps_its_unit() -> None:
    target = machine(volumes=[DATA])
    plan = plan_attached(data_of(target), AS_ROOT)
    assert [type(step) for step in plan.steps] == [Detach, Attach]
    assert plan.after == {"attached_to": "web01", "root": True, "unit": 1}


def test_volume_moves_to_another_unit_in_two_steps() -> None:
    plan = plan_attached(data_of(machine()), Place(is_root=False, unit=3))
    assert [type(step) for step in plan.steps] == [Detach, Attach]
    assert plan.after["unit"] == 3


@pytest.mark.parametrize(
    ("status", "power"),
    [("running", "on"), ("stopping", "on"), ("stopped", "on"), ("running", "off")],
    ids=["running", "stopping", "server lags", "instance lags"],
)
def test_machine_that_is_not_wholly_off_is_not_touched(status: str, power: str) -> None:
    target = machine(volumes=[DATA], status=status, power=power)
    with pytest.raises(NotAllowedNowError, match="is not off"):
        plan_attached(free(target), AS_ROOT)
    with pytest.raises(NotAllowedNowError, match="is not off"):
        plan_detached(data_of(target))


def test_failed_machine_without_power_gives_volumes_up_and_takes_them_back() -> None:
    wreck = machine(status="failed", volumes=[DATA])
    assert [type(step) for step in plan_detached(data_of(wreck)).steps] == [Detach]
    assert [type(step) for step in plan_attached(free(wreck), AS_ROOT).steps] == [Attach]


def test_failed_machine_that_runs_is_not_touched() -> None:
    wreck = machine(status="failed", power="on", volumes=[DATA])
    with pytest.raises(NotAllowedNowError, match="is not off"):
        plan_detached(data_of(wreck))


def test_volume_of_another_machine_is_not_taken_from_it() -> None:
    holder = machine("db01", number=200, volumes=[volume_json(20, "w", unitNumber="0")])
    seen = VolumeSeen(WORKER, holder=holder, machine=machine(volumes=[]))
    with pytest.raises(NotAllowedNowError, match='attached to instance "db01"'):
        plan_attached(seen, AS_ROOT)


@pytest.mark.parametrize(
    ("unit", "said"),
    [(1, 'taken by volume "data"'), (4, "no unit 4"), (-1, "no unit -1")],
    ids=["taken", "beyond the controller", "negative"],
)
def test_unit_that_cannot_be_had_is_refused(unit: int, said: str) -> None:
    with pytest.raises(NotAllowedNowError, match=said):
        plan_attached(free(machine(volumes=[DATA])), Place(is_root=True, unit=unit))


def test_full_controller_is_named() -> None:
    disks = [volume_json(30 + unit, f"d{unit}", unitNumber=str(unit)) for unit in range(4)]
    with pytest.raises(NotAllowedNowError, match=r'"Virtio 0".* has no free unit'):
        plan_attached(free(machine(volumes=disks)), AS_DATA)


@pytest.mark.parametrize(("taken", "expected"), [(6, 8), (2, 3)], ids=["reserved next", "free"])
def test_reserved_unit_is_passed_over(taken: int, expected: int) -> None:
    # The unit that a SCSI controller itself has on its bus.
    scsi = {"id": CONTROLLER, "name": "SCSI 0", "maxDevices": 15, "reservedUnitNumber": 7}
    disks = [volume_json(30 + unit, f"d{unit}", unitNumber=str(unit)) for unit in range(taken + 1)]
    plan = plan_attached(free(machine(volumes=disks, controllers=[scsi])), AS_DATA)
    assert plan.after["unit"] == expected


def test_controller_is_the_one_that_the_other_disks_are_on() -> None:
    ide = {"id": 4, "name": "IDE", "maxDevices": 2, "reservedUnitNumber": -1}
    virtio = {"id": CONTROLLER, "name": "Virtio", "maxDevices": 4, "reservedUnitNumber": -1}
    (step,) = plan_attached(free(machine(volumes=[DATA], controllers=[ide, virtio])), AS_DATA).steps
    assert isinstance(step, Attach)
    assert step.controller_id == CONTROLLER
    (step,) = plan_attached(free(machine(volumes=[], controllers=[ide, virtio])), AS_DATA).steps
    assert isinstance(step, Attach)
    assert step.controller_id == 4


def test_machine_without_controller_is_refused() -> None:
    with pytest.raises(NotAllowedNowError, match="no disk controller"):
        plan_attached(free(machine(volumes=[], controllers=[])), AS_DATA)


def test_attached_volume_is_detached() -> None:
    plan = plan_detached(data_of(machine()))
    assert [type(step) for step in plan.steps] == [Detach]
    assert plan.before == {"attached_to": "web01", "root": False, "unit": 1}
    assert plan.after == {"attached_to": None, "root": False, "unit": None}


@pytest.mark.parametrize("named", [True, False], ids=["machine named", "no machine named"])
def test_free_volume_is_detached_already(named: bool) -> None:
    seen = VolumeSeen(WORKER, holder=None, machine=machine() if named else None)
    assert not plan_detached(seen).is_change


def test_detaching_from_one_machine_leaves_the_volume_of_another_alone() -> None:
    holder = machine("db01", number=200, volumes=[volume_json(20, "w", unitNumber="0")])
    plan = plan_detached(VolumeSeen(WORKER, holder=holder, machine=machine()))
    assert not plan.is_change
    assert plan.after["attached_to"] == "db01"


def test_free_volume_is_deleted() -> None:
    plan = plan_absent(VolumeSeen(WORKER))
    assert plan.steps == (Delete(WORKER),)
    assert plan.before["name"] == "ferry-worker-web01"
    assert plan.after == {}


def test_volume_that_is_gone_is_absent() -> None:
    assert not plan_absent(VolumeSeen(None)).is_change


def test_attached_volume_is_never_deleted() -> None:
    target = machine()
    with pytest.raises(NotAllowedNowError, match=r'attached to instance "web01".* not deleted'):
        plan_absent(data_of(target))


def test_missing_volume_cannot_be_attached() -> None:
    seen = VolumeSeen(None, machine=machine(), called='"lost"')
    with pytest.raises(NoSuchObjectError, match='no volume "lost"'):
        plan_attached(seen, AS_DATA)


def test_missing_volume_is_detached() -> None:
    assert not plan_detached(VolumeSeen(None, machine=machine())).is_change


def test_root_comes_first_in_the_list_of_volumes() -> None:
    late_root = {**ROOT, "unitNumber": "3"}
    assert [each.id for each in machine(volumes=[DATA, late_root]).volumes] == [11, 12]
