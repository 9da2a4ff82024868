# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.units import GIB
from ansible_collections.ferry.hvm.plugins.module_utils.workload import preflight
from ansible_collections.ferry.hvm.plugins.module_utils.workload.findings import (
    ERROR,
    NOTE,
    WARNING,
    Finding,
    Observed,
)
from ansible_collections.ferry.hvm.plugins.module_utils.workload.pairing import (
    BACKING_TAG,
    backing_mark,
)
from ansible_collections.ferry.hvm.plugins.module_utils.workload.profile import Profile
from ansible_collections.ferry.hvm.plugins.module_utils.workload.volume_changes import Wishes

SOURCE: dict[str, Any] = {
    "is_root": True,
    "port_free": True,
    "view": {"view": "moving", "reason": "The source has no LVM."},
    "exports": [],
    "interfaces": [{"name": "ens192", "mac": "00:50:56:01:02:03", "is_physical": True}],
    "cpus": 2,
    "memory": 2 * GIB,
    "firmware": "bios",
    "secure_boot": False,
    "os": {"id": "debian", "like": [], "version": "12", "name": "Debian 12"},
    "file_systems": [{"device": "/dev/sda1", "mount_point": "/", "type": "ext4", "used": 9}],
    "disks": [{"name": "sda", "size": GIB, "removable": False, "mounted": ["/"]}],
}
INSTANCE: dict[str, Any] = {
    "name": "web01",
    "status": "stopped",
    "tags": {"ferry": "web01"},
    "volumes": [{"id": 1, "uuid": "u" * 36, "name": "sda", "size": GIB, "root": True, "unit": 0}],
    "interfaces": [{"id": 5, "network": "migration", "mac": "52:54:00:00:00:01", "address": ""}],
}


def root_on(device: str, kind: str) -> dict[str, Any]:
    return {"device": device, "mount_point": "/", "type": kind, "used": 9}


@pytest.fixture
def ready(tmp_path: Path) -> Observed:
    for name in ("worker.iso", "key", "key.pub"):
        (tmp_path / name).write_text("x")
    return Observed(
        workload="web01",
        migration="web01",
        data_port=5994,
        source=SOURCE,
        instance=INSTANCE,
        worker="ferry-worker-web01",
        worker_image=str(tmp_path / "worker.iso"),
        ssh_key=str(tmp_path / "key"),
        guest_network="isolated",
        guest_network_is_isolated=True,
        migration_network="migration",
        placement="cluster1",
    )


def codes(observed: Observed, severity: str) -> list[str]:
    return [f.code for f in preflight.judge(observed) if f.severity == severity]


def test_a_ready_workload_has_notes_only(ready: Observed) -> None:
    findings = preflight.judge(ready)
    assert [(f.code, f.severity) for f in findings] == [
        ("source_moves", NOTE),
        ("sync_predicted", NOTE),
    ]
    preflight.refuse(findings, accepted=[])


@pytest.mark.parametrize("device", ["/dev/md0", "/dev/mapper/vg0-root", "/dev/sda2"])
def test_a_root_on_a_mirror_a_logical_volume_or_a_partition_is_taken(
    ready: Observed, device: str
) -> None:
    source = {**SOURCE, "file_systems": [root_on(device, "ext4")]}
    findings = preflight.judge(replace(ready, source=source))
    assert "root_not_supported" not in [finding.code for finding in findings]


@pytest.mark.parametrize(
    ("source", "seen", "told"),
    [
        pytest.param("bios", None, [], id="BIOS before any worker"),
        pytest.param("bios", "bios", [], id="both BIOS"),
        pytest.param("efi", "efi", [], id="both UEFI"),
        pytest.param("efi", None, [("target_firmware_unknown", NOTE)], id="UEFI before any worker"),
        pytest.param("efi", "bios", [("target_firmware_differs", ERROR)], id="UEFI to BIOS"),
        pytest.param("bios", "efi", [("target_firmware_differs", ERROR)], id="BIOS to UEFI"),
    ],
)
def test_a_target_has_the_firmware_of_its_source(
    ready: Observed, source: str, seen: str | None, told: list[tuple[str, str]]
) -> None:
    tags = {"ferry": "web01", **({"ferry_firmware": seen} if seen else {})}
    observed = replace(
        ready, source={**SOURCE, "firmware": source}, instance={**INSTANCE, "tags": tags}
    )
    findings = [each for each in preflight.judge(observed) if "firmware" in each.code]
    assert [(each.code, each.severity) for each in findings] == told
    for each in findings:
        assert "UEFI" in each.text


def test_a_target_that_is_to_be_made_gets_the_firmware_of_its_source(ready: Observed) -> None:
    source = {**SOURCE, "firmware": "efi"}
    assert codes(replace(ready, source=source, instance=None, may_create=True), ERROR) == []


def test_secure_boot_is_lost_and_that_is_to_be_accepted(ready: Observed) -> None:
    source = {**SOURCE, "firmware": "efi", "secure_boot": True}
    instance = {**INSTANCE, "tags": {"ferry": "web01", "ferry_firmware": "efi"}}
    assert codes(replace(ready, source=source, instance=instance), WARNING) == ["secure_boot_off"]


@pytest.mark.parametrize(("has_one", "told"), [(True, ["tpm_left_behind"]), (False, [])], ids=str)
def test_a_virtual_tpm_is_left_behind_and_that_is_to_be_accepted(
    ready: Observed, has_one: bool, told: list[str]
) -> None:
    source = {**SOURCE, "tpm": has_one}
    assert codes(replace(ready, source=source), WARNING) == told


def test_snapshots_of_the_target_are_told(ready: Observed) -> None:
    observed = replace(
        ready, own_snapshots=["ferry-snapshot-web01.1"], other_snapshots=["before the update"]
    )
    told = {f.code: f.text for f in preflight.judge(observed)}
    assert "ferry-snapshot-web01.1" in told["own_snapshots_may_go"]
    assert "before the update" in told["other_snapshots_stay"]
    preflight.refuse(preflight.judge(observed), accepted=[])


VIEWS = {
    "a server that works": ("moving", "source_moves", NOTE),
    "volumes that get snapshots": ("lvm_snapshot", "source_gets_snapshots", NOTE),
    "a view that is not true": (None, "source_view_not_true", ERROR),
}


@pytest.mark.parametrize(("view", "code", "severity"), VIEWS.values(), ids=VIEWS.keys())
def test_the_view_of_the_source_is_told(
    ready: Observed, view: str | None, code: str, severity: str
) -> None:
    source = {**SOURCE, "view": {"view": view, "reason": "Because of /srv."}}
    finding, _prediction = preflight.judge(replace(ready, source=source))
    assert (finding.code, finding.severity) == (code, severity)
    assert ("Because of /srv." in finding.text) is (view != "lvm_snapshot")


def test_a_vm_gets_one_snapshot_that_must_hold_its_disks(ready: Observed) -> None:
    view = {"view": "vcenter_snapshot", "reason": ""}
    source = {**SOURCE, "view": view}
    assert codes(replace(ready, source=source), NOTE)[0] == "source_gets_snapshots"
    disks = [{**SOURCE["disks"][0], "path": "[ds] x", "obstacle": "it is independent"}]
    spoilt = replace(ready, source={**source, "disks": disks})
    assert codes(spoilt, ERROR) == ["disk_not_in_snapshot"]
    masked = replace(ready, source={**source}, used_blocks=True)
    assert codes(masked, ERROR) == ["used_blocks_of_vm"]
    chosen = replace(ready, source={**source}, profile=Profile(only_disks=["sda"]))
    assert codes(chosen, ERROR) == ["source_disks_of_vm"]


def test_a_source_worker_serves_other_migrations_over_the_same_port(
    ready: Observed,
) -> None:
    shared = {**SOURCE, "is_shared": True, "port_free": False}
    others = replace(ready, source={**shared, "exports": [{"migration_id": "db01"}]})
    assert codes(others, ERROR) == []
    stranger = replace(ready, source={**shared, "exports": []})
    assert codes(stranger, ERROR) == ["data_port_taken"]


@pytest.mark.parametrize(
    ("tags", "wanted", "codes"),
    [
        pytest.param({}, True, [], id="a first sync"),
        pytest.param({"ferry_generation": "1"}, True, ["used_blocks_changed"], id="switched on"),
        pytest.param(
            {"ferry_generation": "1", "ferry_used_blocks": "true"},
            False,
            ["used_blocks_changed"],
            id="switched off",
        ),
        pytest.param(
            {"ferry_generation": "1", "ferry_used_blocks": "true"}, True, [], id="kept on"
        ),
        pytest.param({"ferry_generation": "1", "ferry_used_blocks": "false"}, False, [], id="off"),
    ],
)
def test_another_choice_about_what_is_unused_is_named(
    ready: Observed, tags: dict[str, str], wanted: bool, codes: list[str]
) -> None:
    instance = {**INSTANCE, "tags": {"ferry": "web01", **tags}}
    found = preflight.judge(replace(ready, instance=instance, used_blocks=wanted))
    assert [each.code for each in found if each.code.startswith("used")] == codes


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param(
            {"is_shared": True, "os": {"id": "", "version": "", "name": "Ubuntu Linux (64-bit)"}},
            [("guest_not_told", NOTE)],
            id="a VM of Ubuntu, whose tools name no release",
        ),
        pytest.param(
            {"is_shared": True, "os": {"id": "debian", "version": "10", "name": "Debian 10"}},
            [("guest_not_supported", ERROR)],
            id="a VM whose release is told, and too old",
        ),
        pytest.param(
            {"os": {"id": "", "version": "", "name": ""}},
            [("guest_not_supported", ERROR)],
            id="a server without os-release",
        ),
        pytest.param(
            {"os": {"id": "ubuntu", "version": "22.04", "name": "Ubuntu 22.04.4 LTS"}},
            [],
            id="a server with Ubuntu",
        ),
        pytest.param(
            {"os": {"id": "ubuntu", "version": "23.10", "name": "Ubuntu 23.10"}},
            [("guest_not_supported", ERROR)],
            id="a server with an interim release",
        ),
    ],
)
def test_a_guest_is_judged_here_where_its_release_is_told(
    ready: Observed, source: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    findings = preflight.judge(replace(ready, source={**SOURCE, **source}))
    assert [(f.code, f.severity) for f in findings if f.code.startswith("guest_not_")] == found


def test_of_a_stopped_source_nothing_needs_to_be_said(ready: Observed) -> None:
    source = {**SOURCE, "view": {"view": "stopped", "reason": ""}}
    assert [f.code for f in preflight.judge(replace(ready, source=source))] == ["sync_predicted"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(
            {"source": {**SOURCE, "is_root": False}}, "source_not_root", id="login is not root"
        ),
        pytest.param(
            {"source": {**SOURCE, "port_free": False}}, "data_port_taken", id="another listener"
        ),
        pytest.param(
            {"source": {**SOURCE, "os": {**SOURCE["os"], "id": "linuxmint", "like": ["debian"]}}},
            "guest_not_supported",
            id="a relative of what can be prepared",
        ),
        pytest.param(
            {"source": {**SOURCE, "os": {**SOURCE["os"], "version": "10"}}},
            "guest_not_supported",
            id="a release too old",
        ),
        pytest.param(
            {"source": {**SOURCE, "file_systems": [root_on("/dev/dm-3", "ext4")]}},
            "root_not_supported",
            id="a root on a device without a name",
        ),
        pytest.param(
            {"source": {**SOURCE, "file_systems": [root_on("/dev/sda2", "f2fs")]}},
            "root_not_supported",
            id="a root on F2FS",
        ),
        pytest.param(
            {"instance": {**INSTANCE, "tags": {"ferry": "db01"}}},
            "target_of_another_migration",
            id="the target of another migration",
        ),
        pytest.param({"alike": ["web.01"]}, "workloads_alike", id="two of one id"),
        pytest.param({"placement": ""}, "placement_missing", id="no cluster and no pool"),
        pytest.param({"instance": None}, "target_missing", id="a delta without a target"),
        pytest.param(
            {"instance": {**INSTANCE, "status": "resizing"}}, "target_busy", id="a busy target"
        ),
        pytest.param(
            {"instance": {**INSTANCE, "volumes": []}}, "disks_do_not_pair", id="no volume"
        ),
        pytest.param(
            {"profile": Profile(only_disks=["sdz"])},
            "disks_do_not_pair",
            id="a disk the source lacks",
        ),
        pytest.param(
            {"worker_image": "/nonexistent"}, "worker_image_missing", id="no worker image"
        ),
        pytest.param(
            {"extension_faults": ["The extension 'note' cannot be read."]},
            "extension_not_usable",
            id="an extension without its script",
        ),
    ],
)
def test_what_would_fail_later_is_an_error_now(
    ready: Observed, change: dict[str, Any], code: str
) -> None:
    observed = replace(ready, **change)
    assert codes(observed, ERROR) == [code]
    with pytest.raises(InputError, match=rf"\[{code}\].*Nothing was changed"):
        preflight.refuse(preflight.judge(observed), accepted=[code])


def test_a_missing_public_key_names_the_command_that_makes_it(ready: Observed) -> None:
    Path(ready.ssh_key + ".pub").unlink()
    (finding,) = [f for f in preflight.judge(ready) if f.severity == ERROR]
    assert finding.hint.startswith("ssh-keygen -y -f")


def test_the_first_sync_may_create_its_target(ready: Observed) -> None:
    assert codes(replace(ready, instance=None, may_create=True), ERROR) == []


def test_a_sender_of_another_migration_is_named(ready: Observed) -> None:
    taken = {**SOURCE, "port_free": False, "exports": [{"migration_id": "db01"}]}
    (finding,) = [f for f in preflight.judge(replace(ready, source=taken)) if f.severity == "error"]
    assert "sender of db01" in finding.text


def test_an_own_sender_left_by_a_killed_run_is_no_obstacle(ready: Observed) -> None:
    taken = {**SOURCE, "port_free": False, "exports": [{"migration_id": "web01"}]}
    assert codes(replace(ready, source=taken), ERROR) == []


def alive(ready: Observed, **instance: Any) -> Observed:
    """The source has a sender of run web01-7, and the target runs an adopted worker."""
    assert ready.instance is not None
    volumes = [{**volume, "root": False} for volume in ready.instance["volumes"]]
    worker = {**volumes[0], "id": 99, "name": ready.worker, "root": True, "unit": 9}
    changed = {
        **ready.instance,
        "status": "running",
        "volumes": [worker, *volumes],
        "tags": {"ferry": ready.migration, "ferry_worker_key": "ssh-ed25519 AAAA"},
        **instance,
    }
    exports = [{"migration_id": "web01", "run": "web01-7"}, {"migration_id": "db01", "run": "d-1"}]
    return replace(ready, instance=changed, source={**SOURCE, "exports": exports})


def test_a_run_with_both_ends_is_found(ready: Observed) -> None:
    assert preflight.find_run(alive(ready)) == "web01-7"


@pytest.mark.parametrize(
    "instance",
    [
        pytest.param({"status": "stopped"}, id="the worker is off"),
        pytest.param({"tags": {"ferry": "web01"}}, id="the worker was not adopted"),
        pytest.param({"tags": {"ferry": "db01", "ferry_worker_key": "k"}}, id="it is another's"),
        pytest.param({"volumes": []}, id="something else was booted"),
    ],
)
def test_a_run_without_its_worker_is_none(ready: Observed, instance: dict[str, Any]) -> None:
    assert preflight.find_run(alive(ready, **instance)) == ""


def test_a_run_without_its_sender_is_none(ready: Observed) -> None:
    for exports in ([], [{"migration_id": "db01", "run": "d-1"}], [{"migration_id": "web01"}]):
        source = {**SOURCE, "exports": exports}
        assert preflight.find_run(replace(alive(ready), source=source)) == ""


def test_a_target_that_is_not_there_has_no_run(ready: Observed) -> None:
    assert preflight.find_run(replace(alive(ready), instance=None)) == ""


def test_a_warning_stops_until_its_code_is_accepted() -> None:
    findings = [Finding("odd", WARNING, "web01", "Odd.")]
    with pytest.raises(InputError, match=r"\[odd\]"):
        preflight.refuse(findings, accepted=["other"])
    preflight.refuse(findings, accepted=["odd"])


def test_a_clone_is_not_booted_on_the_network_that_reaches_its_source(
    ready: Observed,
) -> None:
    beside = replace(ready, guest_network="migration")
    assert codes(beside, ERROR) == ["guest_network_reaches_source"]
    off = replace(beside, guest_network_is_isolated=False)
    assert codes(off, ERROR) == []


def test_a_network_not_named_isolated_is_only_noted(ready: Observed) -> None:
    assert "clone_stays_off" in codes(replace(ready, guest_network_is_isolated=False), NOTE)


def test_a_target_that_nobody_marked_must_be_accepted(ready: Observed) -> None:
    foreign = replace(ready, instance={**INSTANCE, "tags": {"owner": "accounting"}})
    findings = preflight.judge(foreign)
    with pytest.raises(InputError, match="web01 carries no tag"):
        preflight.refuse(findings, accepted=[])
    preflight.refuse(findings, accepted=["target_not_made_by_ferry"])


def with_cards(ready: Observed, *networks: str, **changes: Any) -> Observed:
    """The target has a card on each of the networks, with MACs that end in 1, 2 and so on."""
    cards = [
        {"id": number, "network": network, "mac": f"52:54:00:00:00:0{number}", "address": ""}
        for number, network in enumerate(networks, 1)
    ]
    return replace(ready, instance={**INSTANCE, "interfaces": cards, **changes})


TO_ISOLATED = "goes to network migration, later to isolated."
CARDS = {
    "none": ([], ""),
    "one that stays": (["migration"], ""),
    "one that moves": (
        ["production"],
        f"Its network card 52:54:00:00:00:01 on production {TO_ISOLATED}",
    ),
    "two": (
        ["production", "lan"],
        f"Of its 2 network cards 52:54:00:00:00:02 on lan is removed, and 52:54:00:00:00:01 on production {TO_ISOLATED}",
    ),
    "three": (
        ["migration", "a", "b"],
        f"Of its 3 network cards 52:54:00:00:00:02 on a, 52:54:00:00:00:03 on b are removed, and 52:54:00:00:00:01 on migration {TO_ISOLATED}",
    ),
}


@pytest.mark.parametrize(("networks", "fate"), CARDS.values(), ids=list(CARDS))
def test_what_becomes_of_the_cards_of_a_target_that_nobody_marked_is_told(
    ready: Observed, networks: list[str], fate: str
) -> None:
    told = {each.code: each for each in preflight.judge(with_cards(ready, *networks, tags={}))}
    assert told["target_not_made_by_ferry"].text.endswith(f"overwrites its disks. {fate}".strip())
    if len(networks) > 1:
        assert told["target_cards_are_replaced"].text == fate


@pytest.mark.parametrize("tags", [{}, {"ferry": "web01"}], ids=["nobody's", "ours"])
def test_a_target_with_more_than_one_card_stops_until_their_loss_is_accepted(
    ready: Observed, tags: dict[str, str]
) -> None:
    code = "target_cards_are_replaced"
    assert code in codes(with_cards(ready, "production", "backup", tags=tags), WARNING)
    assert code not in codes(with_cards(ready, "production", tags=tags), WARNING)


def test_a_clone_that_stays_off_leaves_the_card_where_the_worker_has_it(ready: Observed) -> None:
    off = replace(with_cards(ready, "production", tags={}), guest_network_is_isolated=False)
    (found,) = [each for each in preflight.judge(off) if each.code == "target_not_made_by_ferry"]
    assert found.text.endswith("goes to network migration.")


def test_a_root_that_a_killed_run_left_attached_nowhere_still_takes_its_disk(
    ready: Observed,
) -> None:
    (root,) = INSTANCE["volumes"]
    bare = {**INSTANCE, "volumes": [], "tags": {"ferry": "web01", "ferry_guest_root": "1"}}
    left = replace(ready, instance=bare, detached=[{**root, "root": False, "unit": None}])
    assert codes(left, ERROR) == []
    stranger = {**root, "id": 2}
    assert codes(replace(left, detached=[stranger]), ERROR) == ["disks_do_not_pair"]


def test_what_becomes_of_the_volumes_is_told_and_a_volume_without_a_disk_stops(
    ready: Observed,
) -> None:
    """A disk grew, one was added, and two were removed, of which one may be deleted."""
    volumes = [
        {**INSTANCE["volumes"][0], "id": number, "name": name}
        for number, name in ((2, "sdx"), (3, "sdy"))
    ]
    instance = {**INSTANCE, "volumes": [*INSTANCE["volumes"], *volumes]}
    grown = {**SOURCE["disks"][0], "size": GIB + 1}
    source = {**SOURCE, "disks": [grown, {**grown, "name": "sdb", "mounted": []}]}
    changed = replace(
        ready,
        instance=instance,
        source=source,
        profile=Profile(wishes=Wishes(datastore="ds", deletable=["sdy"])),
    )
    told = {finding.code: finding for finding in preflight.judge(changed)}
    assert told["volumes_change"].text == (
        "Before the sync volume sda grows from 1.0 GiB (1073741824) to 2.0 GiB (2147483648); volume sdb of "
        "2.0 GiB (2147483648) is made on ds for disk sdb; volume sdy is deleted with its data."
    )
    assert (told["volume_without_disk"].severity, told["volume_without_disk"].text[:10]) == (
        WARNING,
        "Volume sdx",
    )


def test_another_disk_at_the_device_key_of_one_that_is_gone_stops_until_it_is_accepted(
    ready: Observed,
) -> None:
    """The volume may be the only copy of the one that is gone; and no disk of a server, or of before, stops."""
    tag = f"sda={backing_mark('6000C29a-old')} other=0123456789ab"
    instance = {**INSTANCE, "tags": {**INSTANCE["tags"], BACKING_TAG: tag}}

    def judged(serial: str, **tagged: Any) -> list[str]:
        source = {**SOURCE, "disks": [{**SOURCE["disks"][0], "serial": serial}]}
        return codes(replace(ready, source=source, instance={**instance, **tagged}), WARNING)

    assert judged("6000C29a-new") == ["disk_replaced"]
    assert judged("6000C29a-old") == []
    assert judged("") == []
    assert judged("6000C29a-new", tags=INSTANCE["tags"]) == []
