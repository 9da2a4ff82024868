# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which steps bring an instance to its state, and which are refused."""

from __future__ import annotations

from typing import Any, Dict

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.creation import WantedInterface
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.errors import NotAllowedNowError
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.instance_plan import (
    Label,
    Remove,
    Rewire,
    Start,
    Stop,
    Tag,
    WantedMarks,
    plan_absent,
    plan_present,
    plan_started,
    plan_stopped,
)

from tests.unit.plugins.module_utils.morpheus.samples import interface_json, machine

MAC = "52:54:00:00:00:01"
SOURCE_MAC = "00:50:56:01:02:03"
WIRED = [interface_json(31, 22, MAC.upper())]


def test_instance_with_its_marks_is_left_alone() -> None:
    plan = plan_present(machine(), WantedMarks({"ferry": "web01"}, ("ferry",)), None)
    assert plan.steps == ()
    assert plan.before == plan.after == {}


def test_only_tags_that_differ_are_sent_and_the_others_stay() -> None:
    plan = plan_present(machine(), WantedMarks({"ferry": "web01", "ferry_generation": "2"}), None)
    (step,) = plan.steps
    assert isinstance(step, Tag)
    assert step.tags == {"ferry_generation": "2"}
    assert plan.after["tags"] == {"ferry": "web01", "ferry_generation": "2"}


def test_labels_are_added_to_those_that_are_there() -> None:
    (step,) = plan_present(machine(), WantedMarks({}, ("wave-1", "ferry")), None).steps
    assert isinstance(step, Label)
    assert step.labels == ("ferry", "wave-1")


@pytest.mark.parametrize(
    "wanted",
    [WantedInterface(22, "migration"), WantedInterface(22, "migration", MAC)],
    ids=["any MAC", "same MAC in lower case"],
)
def test_network_cards_as_wanted_are_left_alone_even_while_it_runs(
    wanted: WantedInterface,
) -> None:
    running = machine(status="running", power="on", interfaces=WIRED)
    assert plan_present(running, WantedMarks(), [wanted]).steps == ()


@pytest.mark.parametrize(
    ("wanted", "after"),
    [
        ([WantedInterface(23, "isolated")], [{"network": "isolated", "mac": MAC}]),
        (
            [WantedInterface(22, "migration", SOURCE_MAC)],
            [{"network": "migration", "mac": SOURCE_MAC}],
        ),
        (
            [WantedInterface(22, "migration"), WantedInterface(23, "isolated")],
            [
                {"network": "migration", "mac": MAC},
                {"network": "isolated", "mac": "chosen by the appliance"},
            ],
        ),
        ([], []),
    ],
    ids=["other network keeps the MAC", "other MAC", "one more", "none"],
)
def test_network_cards_that_differ_are_changed_and_shown(
    wanted: list[WantedInterface], after: list[Dict[str, str]]
) -> None:
    plan = plan_present(machine(interfaces=WIRED), WantedMarks(), wanted)
    (step,) = plan.steps
    assert isinstance(step, Rewire)
    assert plan.before["networks"] == [{"network": "network 22", "mac": MAC}]
    assert plan.after["networks"] == after


def test_network_cards_of_a_running_machine_are_not_changed() -> None:
    running = machine(status="running", power="on", interfaces=WIRED)
    with pytest.raises(NotAllowedNowError, match="cannot be changed"):
        plan_present(running, WantedMarks(), [WantedInterface(23, "isolated")])


def test_instance_that_failed_is_of_no_use_and_says_why() -> None:
    failed = machine(status="failed", statusMessage="no space on datastore")
    with pytest.raises(NotAllowedNowError, match="no space on datastore"):
        plan_present(failed, WantedMarks(), None)
    with pytest.raises(NotAllowedNowError, match="no space on datastore"):
        plan_started(failed)


@pytest.mark.parametrize(
    ("status", "power", "expected"),
    [
        ("stopped", "off", [Start]),
        ("running", "on", []),
        ("warning", "on", []),
        ("running", "off", [Start]),
    ],
)
def test_start_is_planned_unless_both_views_say_running(
    status: str, power: str, expected: list[type]
) -> None:
    plan = plan_started(machine(status=status, power=power))
    assert [type(step) for step in plan.steps] == expected
    assert plan.after["power_state"] == "on"


@pytest.mark.parametrize(
    ("status", "power", "expected"),
    [
        ("stopped", "off", []),
        ("running", "on", [Stop]),
        ("stopped", "on", [Stop]),
        ("failed", "off", []),
        ("failed", "on", [Stop]),
    ],
)
def test_stop_is_planned_unless_both_views_say_off(
    status: str, power: str, expected: list[type]
) -> None:
    plan = plan_stopped(machine(status=status, power=power))
    assert [type(step) for step in plan.steps] == expected
    assert plan.after["power_state"] == "off"


def remove(target: Any, *, preserve_volumes: bool = False) -> Any:
    return plan_absent(target, preserve_volumes=preserve_volumes, force=False)


def test_instance_that_is_gone_is_absent() -> None:
    assert remove(None).steps == ()


def test_removal_names_the_volumes_that_go_with_it() -> None:
    plan = remove(machine())
    assert [type(step) for step in plan.steps] == [Remove]
    assert plan.before["volumes"] == ["root", "data"]


def test_removal_that_must_keep_volumes_is_refused_while_there_are_any() -> None:
    with pytest.raises(NotAllowedNowError, match=r'volume "root" \(id 11\), volume "data"'):
        remove(machine(), preserve_volumes=True)


def test_creator_without_volumes_is_removed_with_volumes_preserved() -> None:
    (step,) = remove(machine(volumes=[]), preserve_volumes=True).steps
    assert isinstance(step, Remove)
    assert step.preserve_volumes is True


def test_locked_instance_is_not_removed() -> None:
    with pytest.raises(NotAllowedNowError, match="is locked"):
        remove(machine(locked=True))


@pytest.mark.parametrize("status", ["removing", "pendingRemoval"])
def test_instance_that_is_leaving_is_no_longer_used(status: str) -> None:
    leaving = machine(status=status)
    for plan in plan_started, plan_stopped:
        with pytest.raises(NotAllowedNowError, match="is being removed"):
            plan(leaving)
