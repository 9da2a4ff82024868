# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source, profile and offer make a target; what cannot be made is found before anything was."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.units import GIB
from ansible_collections.ferry.hvm.plugins.module_utils.workload import profile_checks
from ansible_collections.ferry.hvm.plugins.module_utils.workload.findings import Observed
from ansible_collections.ferry.hvm.plugins.module_utils.workload.profile import (
    Profile,
    Size,
    choose_size,
    cutover_cards,
    find_offered,
    target_options,
)
from ansible_collections.ferry.hvm.plugins.module_utils.workload.volume_changes import Wishes


def plan(number: int, cpus: int, memory: int, *, own: str = "") -> dict[str, Any]:
    """`own` names what an instance may have of its own: "cpus memory"."""
    return {
        "id": number,
        "name": f"plan{number}",
        "code": f"code-{number}",
        "cpus": cpus,
        "memory": memory * GIB,
        "own_cpus": "cpus" in own,
        "own_memory": "memory" in own,
    }


SMALL, LARGE, HUGE = plan(1, 1, 1), plan(2, 4, 8), plan(3, 64, 512)
CUSTOM = plan(9, 1, 1, own="cpus memory")
PLANS = [HUGE, CUSTOM, LARGE, SMALL]
OFFER: dict[str, Any] = {
    "plans": PLANS,
    "datastores": [{"id": 12, "name": "ds", "code": ""}, {"id": 13, "name": "fast", "code": ""}],
    "networks": [
        {"id": 21, "name": "production", "code": "prod"},
        {"id": 22, "name": "migration", "code": ""},
        {"id": 23, "name": "isolated", "code": ""},
    ],
}
CARDS = [
    {"name": "", "network": "VM Network", "mac": "00:50:56:01:02:03", "is_physical": True},
    {"name": "docker0", "mac": "02:42:00:00:00:01", "is_physical": False},
    {"name": "ens224", "mac": "00:50:56:01:02:04", "is_physical": True},
]


def source(cpus: int = 2, memory: int = 3) -> dict[str, Any]:
    disks = [{"name": name, "size": GIB + 1, "removable": False} for name in ("a", "b")]
    return {"cpus": cpus, "memory": memory * GIB, "disks": disks, "interfaces": CARDS}


CHOICES = {
    "a fixed plan of exactly this size": (4, 8, PLANS, Size(2, "plan2")),
    "an own size rather than too much": (3, 8, PLANS, Size(9, "plan9", 3, 8 * GIB)),
    "the smallest that is large enough": (2, 3, [HUGE, LARGE, SMALL], Size(2, "plan2")),
    "own memory with enough CPUs": (
        2,
        9,
        [HUGE, plan(7, 4, 1, own="memory")],
        Size(7, "plan7", None, 9 * GIB),
    ),
}


@pytest.mark.parametrize(
    ("cpus", "memory", "plans", "chosen"), CHOICES.values(), ids=CHOICES.keys()
)
def test_without_a_named_plan_the_one_that_fits_the_source_best_is_taken(
    cpus: int, memory: int, plans: list[dict[str, Any]], chosen: Size
) -> None:
    assert choose_size(source(cpus, memory), Profile(), plans) == chosen


def test_the_operators_size_comes_before_the_sources() -> None:
    assert choose_size(source(), Profile(cpus=4, memory=8 * GIB), PLANS) == Size(2, "plan2")


@pytest.mark.parametrize("wanted", ["plan1", "code-1", "1"])
def test_a_named_plan_is_taken_as_it_is_however_large_the_source(wanted: str) -> None:
    assert choose_size(source(64, 512), Profile(plan=wanted), PLANS) == Size(1, "plan1")


def test_a_named_plan_gives_own_sizes_where_it_lets_an_instance_have_them() -> None:
    own = Profile(plan="plan9", cpus=3)
    assert choose_size(source(), own, PLANS) == Size(9, "plan9", 3, None)


@pytest.mark.parametrize(
    ("profile", "plans", "words"),
    [
        pytest.param(Profile(), [SMALL], "No plan has 2 CPUs and 3.0 GiB", id="none is so large"),
        pytest.param(Profile(), [], "there are none", id="none at all"),
        pytest.param(Profile(plan="p"), PLANS, "no plan p: there are plan1", id="a slip"),
        pytest.param(Profile(plan="plan1", cpus=2), PLANS, "own CPUs, and 2", id="CPUs are fixed"),
        pytest.param(Profile(plan="plan1", memory=GIB), PLANS, "own memory", id="memory is fixed"),
    ],
)
def test_a_size_that_nobody_offers_is_refused(
    profile: Profile, plans: list[dict[str, Any]], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        choose_size(source(), profile, plans)


def test_each_disk_gets_a_volume_of_whole_gib_on_its_datastore() -> None:
    profile = Profile(wishes=Wishes(datastore="ds", datastores={"b": "fast"}))
    options = target_options(source(3, 8), profile, OFFER)
    assert (options["plan"], options["cpus"], options["memory"]) == ("9", 3, 8 * GIB)
    assert [(each["name"], each["size"], each["datastore"]) for each in options["volumes"]] == [
        ("a", 2 * GIB, "ds"),
        ("b", 2 * GIB, "fast"),
    ]
    assert set(target_options(source(4, 8), profile, OFFER)) == {"plan", "volumes"}


def test_a_datastore_that_is_not_offered_makes_no_target() -> None:
    profile = Profile(wishes=Wishes(datastore="ds", datastores={"b": "quick"}))
    with pytest.raises(InputError, match="no datastore quick: there are ds, fast"):
        target_options(source(), profile, OFFER)


@pytest.mark.parametrize("wanted", ["production", "prod", "21", "network-21"])
def test_a_network_answers_to_all_its_names(wanted: str) -> None:
    assert find_offered("network", wanted, OFFER["networks"])["id"] == 21


def test_macs_and_mapped_networks_are_recorded_in_the_order_of_the_hardware() -> None:
    recorded = cutover_cards(CARDS, {"VM Network": "production"})
    assert recorded == "00:50:56:01:02:03 production, 00:50:56:01:02:04"
    assert cutover_cards([], {}) == ""


def observed(profile: Profile, **more: Any) -> Observed:
    paths = {"worker_image": "", "ssh_key": "", "placement": "", "worker": "w"}
    places = {"guest_network": "isolated", "migration_network": "migration"}
    usual = {"workload": "web01", "migration": "web01", "data_port": 5994, "instance": None}
    return Observed(
        **{**paths, **places, **usual, "source": source(), "offer": OFFER, **more},
        guest_network_is_isolated=True,
        profile=profile,
    )


def found(profile: Profile, **more: Any) -> dict[str, str]:
    """What the checks of the profile find: code and severity."""
    checks = (
        profile_checks.plan_is_offered,
        profile_checks.places_are_offered,
        profile_checks.networks_are_mapped,
    )
    seen = observed(profile, **more)
    return {each.code: each.severity for check in checks for each in check(seen)}


def test_preflight_tells_what_is_made_and_nothing_of_a_target_that_exists() -> None:
    profile = Profile(wishes=Wishes(datastore="ds"))
    assert found(profile) == {"target_is_made": "note"}
    assert found(profile, instance={"name": "web01"}) == {}
    assert found(Profile(plan="slip"), offer=None) == {}


def test_preflight_finds_names_that_the_appliance_does_not_offer() -> None:
    wishes = Wishes(datastore="ds", datastores={"a": "quick"})
    profile = Profile(plan="slip", wishes=wishes, network_map={"VM Network": "prodcution"})
    assert found(profile) == {
        "no_plan_fits": "error",
        "datastore_unknown": "error",
        "network_unknown": "error",
        "network_not_mapped": "warning",
    }


def test_a_whole_map_needs_no_word() -> None:
    mapped = {"VM Network": "production", "ens224": "network-21", "of another VM": "isolated"}
    assert "network_not_mapped" not in found(Profile(network_map=mapped))
