# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.units import GIB
from ansible_collections.ferry.hvm.plugins.module_utils.workload import pairing

UUID = "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"


def disk(name: str, size: int = GIB, **more: Any) -> dict[str, Any]:
    return {"name": name, "size": size, "removable": False, **more}


def volume(
    number: int, name: str, *, unit: int, size: int = GIB, root: bool = False
) -> dict[str, Any]:
    return {"id": number, "uuid": UUID, "name": name, "size": size, "root": root, "unit": unit}


def pairs_of(
    disks: list[dict[str, Any]], volumes: list[dict[str, Any]], **disk_map: str
) -> dict[str, str]:
    return {p.source: p.volume_name for p in pairing.pair_disks(disks, volumes, disk_map)}


def test_equal_names_pair_whatever_the_order() -> None:
    volumes = [volume(1, "sdb", unit=0), volume(2, "sda", unit=1)]
    assert pairs_of([disk("sda"), disk("sdb")], volumes) == {"sda": "sda", "sdb": "sdb"}


def test_other_names_pair_in_the_order_given_when_the_counts_are_equal() -> None:
    volumes = [volume(1, "root", unit=0), volume(2, "data", unit=1)]
    assert pairs_of([disk("sda"), disk("sdb")], volumes) == {"sda": "root", "sdb": "data"}


def test_the_operators_map_comes_before_equal_names() -> None:
    volumes = [volume(1, "sda", unit=0), volume(2, "sdb", unit=1)]
    crossed = pairs_of([disk("sda"), disk("sdb")], volumes, sda="sdb", sdb="sda")
    assert crossed == {"sda": "sdb", "sdb": "sda"}


@pytest.mark.parametrize(
    ("volumes", "disk_map"),
    [
        pytest.param([volume(1, "root", unit=0)], {}, id="fewer volumes than disks"),
        pytest.param(
            [volume(1, "sda", unit=0), volume(2, "x", unit=1)], {}, id="only some names are equal"
        ),
        pytest.param(
            [volume(1, "a", unit=0), volume(2, "b", unit=1)],
            {"sda": "a", "sdb": "a"},
            id="one volume for two disks",
        ),
        pytest.param(
            [volume(1, "a", unit=0), volume(2, "b", unit=1)],
            {"sda": "a"},
            id="the map leaves a disk out",
        ),
        pytest.param(
            [volume(1, "a", unit=0), volume(2, "a", unit=1)], {}, id="two volumes of one name"
        ),
        pytest.param(
            [volume(1, "sda", unit=0), volume(2, "sdb", unit=1, size=GIB - 1)],
            {},
            id="a volume too small by a byte",
        ),
    ],
)
def test_a_pair_is_never_guessed(volumes: list[dict[str, Any]], disk_map: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"ferry_disk_map|Rename|Grow"):
        pairing.pair_disks([disk("sda"), disk("sdb")], volumes, disk_map)


def test_the_guests_root_comes_first_even_while_the_worker_is_the_root() -> None:
    instance = {
        "tags": {"ferry_guest_root": "7"},
        "volumes": [
            volume(9, "ferry-worker-web01", unit=0, root=True),
            volume(8, "data", unit=1),
            volume(7, "system", unit=2),
        ],
    }
    names = [v["name"] for v in pairing.guest_volumes(instance, worker="ferry-worker-web01")]
    assert names == ["system", "data"]


def test_removable_disks_stay_behind_unless_named() -> None:
    disks = [disk("sda"), disk("sr0", removable=True)]
    assert [d["name"] for d in pairing.fixed_disks(disks)] == ["sda"]
    assert [d["name"] for d in pairing.fixed_disks(disks, ["sr0"])] == ["sr0"]


@pytest.mark.parametrize(
    ("disks", "only"),
    [
        pytest.param([disk("sda")], ["sdz"], id="an unknown name"),
        pytest.param([disk("sr0", removable=True)], [], id="no fixed disk"),
    ],
)
def test_without_a_disk_to_carry_there_is_nothing_to_do(
    disks: list[dict[str, Any]], only: list[str]
) -> None:
    with pytest.raises(InputError, match="ferry_source_disks"):
        pairing.fixed_disks(disks, only)


def test_a_new_target_gets_whole_gibibytes_and_one_root() -> None:
    volumes = pairing.volumes_for_disks([disk("sda", GIB + 1), disk("sdb", GIB)], datastore="d")
    assert [(v["name"], v["size"], v["root"]) for v in volumes] == [
        ("sda", 2 * GIB, True),
        ("sdb", GIB, False),
    ]


@pytest.mark.parametrize(
    ("mounted", "first"),
    [
        pytest.param({"sdb": ["/"]}, "sdb", id="the root is on the second disk"),
        pytest.param({"sda": ["/"], "sdb": ["/boot"]}, "sdb", id="its boot loader is elsewhere"),
        pytest.param({}, "sda", id="nothing is known"),
    ],
)
def test_a_new_target_boots_from_the_disk_that_the_source_boots_from(
    mounted: dict[str, list[str]], first: str
) -> None:
    disks = [{**disk(name), "mounted": mounted.get(name, [])} for name in ("sda", "sdb")]
    volumes = pairing.volumes_for_disks(disks, datastore="d")
    assert [v["name"] for v in volumes if v["root"]] == [volumes[0]["name"]] == [first]


def test_the_serial_is_what_a_virtio_disk_can_show() -> None:
    (pair,) = pairing.pair_disks([disk("sda")], [volume(1, "sda", unit=3)], {})
    assert pair.as_target_disk() == {"source": "sda", "serial": UUID[:20], "unit": 3, "size": GIB}


CARDS = [
    {"name": "br0", "mac": "02:00:00:00:00:01", "is_physical": False},
    {"name": "ens192", "mac": "00:50:56:00:00:0b", "is_physical": True},
    {"name": "ens224", "mac": "00:50:56:00:00:0c", "is_physical": True},
    {"name": "ib0", "mac": ":".join(["80"] * 20), "is_physical": True},
    {"name": "ens256", "mac": "00:50:56:00:00:0c", "is_physical": True},
]


def test_every_card_of_the_source_is_told_and_its_counterpart_where_there_is_one() -> None:
    assert pairing.pair_interfaces(CARDS, [{"mac": "52:54:00:00:00:01"}]) == [
        {"name": "ens192", "source_mac": "00:50:56:00:00:0b", "target_mac": "52:54:00:00:00:01"},
        {"name": "ens224", "source_mac": "00:50:56:00:00:0c"},
    ]
    assert "target_mac" not in pairing.pair_interfaces(CARDS, [{"mac": ""}])[0]


def test_the_operator_names_interfaces_by_mac() -> None:
    names = {"00-50-56-00-00-0C": "lan1"}
    found = pairing.pair_interfaces(CARDS, [], names)
    assert [each["name"] for each in found] == ["ens192", "lan1"]
    with pytest.raises(InputError, match="191512"):
        pairing.pair_interfaces(CARDS, [], {191512: "lan1"})  # type: ignore[dict-item]


def test_what_a_volume_held_goes_along_where_the_tag_tells_it() -> None:
    instance = {"tags": {pairing.CONTENT_TAG: "disk-2000=gpt-1f2e disk-2001=xfs-3d4c"}}
    contents = pairing.remembered_contents(instance)
    pairs = pairing.pair_disks(
        [disk("disk-2001"), disk("disk-2002")],
        [volume(1, "disk-2001", unit=0), volume(2, "disk-2002", unit=1)],
        {},
        contents,
    )
    told = [pair.as_target_disk().get("content") for pair in pairs]
    assert told == ["xfs-3d4c", None]


def test_a_volume_that_is_yet_to_be_made_is_chosen_but_takes_no_disk() -> None:
    """Reconciling makes it, by the same rule by which a sync pairs afterwards."""
    disks, volumes = [disk("sda"), disk("sdb")], [volume(1, "sda", unit=0)]
    assert pairing.choose_volumes(disks, volumes, {}) == {"sda": "sda", "sdb": "sdb"}
    with pytest.raises(InputError, match="no volume for disks sdb"):
        pairing.pair_disks(disks, volumes, {})
