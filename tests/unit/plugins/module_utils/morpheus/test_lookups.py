# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that operators give: found, missing, or meant for several."""

from __future__ import annotations

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus import lookups
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.client import MorpheusClient
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.errors import (
    AmbiguousNameError,
    NoSuchObjectError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.lookups import Named, choose

from tests.unit.plugins.module_utils.morpheus.fake_appliance import FakeAppliance, Reply

CLOUD, LAYOUT = Named(2, "Lab Cloud"), Named(301, "Single HVM VM")
OFFERED = [
    Named(1, "small", "vm-512"),
    Named(2, "large", "vm-4096"),
    Named(3, "twin", "a"),
    Named(4, "twin", "b"),
    Named(5, "1", ""),
]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("small", 1), ("vm-4096", 2), ("b", 4), ("2", 2), ("1", 5)],
    ids=["name", "code", "code of a twin", "id", "name that looks like an id wins"],
)
def test_name_code_or_id_finds_one(wanted: str, expected: int) -> None:
    assert choose("plan", wanted, OFFERED).id == expected


def test_missing_name_lists_what_there_is() -> None:
    with pytest.raises(NoSuchObjectError, match='no plan "medium"') as caught:
        choose("plan", "medium", OFFERED)
    assert "large (vm-4096)" in caught.value.hint


def test_long_list_is_cut() -> None:
    with pytest.raises(NoSuchObjectError) as caught:
        choose("layout", "x", [Named(n, f"layout {n:03}") for n in range(100)])
    assert caught.value.hint.endswith("and 60 more.")


def test_name_of_two_asks_for_the_id() -> None:
    with pytest.raises(AmbiguousNameError) as caught:
        choose("plan", "twin", OFFERED)
    assert caught.value.hint == "Give the id: 3, 4."


@pytest.mark.parametrize("wanted", ["migration", "22", "network-22"])
def test_network_is_found_by_each_form_of_its_id(
    client: MorpheusClient, appliance: FakeAppliance, wanted: str
) -> None:
    networks = [{"id": 21, "name": "production"}, {"id": 22, "name": "migration"}]
    appliance.answers("GET", "/api/networks", Reply({"networks": networks}))
    assert lookups.find_network(client, wanted, CLOUD).id == 22
    assert appliance.requests("GET", "/api/networks")[0].query["zoneId"] == "2"


def test_layout_is_looked_for_among_those_of_its_type(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    layouts = [
        {"id": 1, "name": "Single", "instanceType": {"id": 40}},
        {"id": 2, "name": "Single", "instanceType": {"id": 41}},
    ]
    appliance.answers("GET", "/api/library/layouts", Reply({"instanceTypeLayouts": layouts}))
    assert lookups.find_layout(client, "Single", Named(41, "HVM", "mvm")).id == 2


def test_pool_of_hvm_is_chosen_by_its_provider(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    pools = [
        {"id": "pool-4", "name": "lab-cluster", "providerType": "kubernetes"},
        {"id": "pool-7", "name": "lab-cluster", "providerType": "mvm"},
    ]
    appliance.answers("GET", "/api/options/zonePools", Reply({"success": True, "data": pools}))
    for wanted in "lab-cluster", "pool-7", "7":
        assert lookups.find_pool(client, wanted, cloud=CLOUD, layout=LAYOUT).id == 7


def test_appliance_without_the_list_of_hvm_pools_is_asked_for_all(
    client: MorpheusClient, appliance: FakeAppliance
) -> None:
    pools = [{"id": 7, "name": "lab-cluster"}]
    appliance.answers("GET", "/api/zones/2/resource-pools", Reply({"resourcePools": pools}))
    assert lookups.find_pool(client, "lab-cluster", cloud=CLOUD, layout=LAYOUT).id == 7
