# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the morpheus modules refuse or give up on; each says on which object and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import FerryError, InputError
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.errors import (
    AmbiguousNameError,
    CertificateError,
    LoginError,
    NoSuchObjectError,
    NotAllowedNowError,
    NotAsAskedError,
    NotOursError,
    StateFailedError,
)
from ansible_collections.ferry.hvm.plugins.module_utils.waiting import TooSlowError

from tests.integration.morpheus_steps import (
    CREATOR,
    GIB,
    TARGET,
    WORKER,
    Modules,
    creator_arguments,
    image_arguments,
)
from tests.support.appliance_api import Api, fresh_api


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    folder = tmp_path / "appliance"
    folder.mkdir()
    with fresh_api(folder) as client:
        yield client


@pytest.fixture
def modules(api: Api) -> Modules:
    return Modules(api.appliance)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "worker.iso"
    path.write_bytes(b"worker" * 1000)
    return path


def refused(modules: Modules, kind: type[FerryError], module: str, **arguments: Any) -> FerryError:
    """The error that the module fails with; it is of this kind and tells what to do."""
    with pytest.raises(kind) as caught:
        modules.call(module, **arguments)
    assert caught.value.hint
    return caught.value


def test_wrong_password_is_named_as_such(modules: Modules) -> None:
    error = refused(modules, LoginError, "instance_info", password="not-the-pass")
    assert modules.appliance.username in str(error)
    assert "not-the-pass" not in str(error)


def test_wrong_certificate_is_named_as_such(modules: Modules, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with fresh_api(other) as stranger:
        error = refused(
            modules, CertificateError, "instance_info", ca_path=str(stranger.appliance.ca_path)
        )
    assert "ca_path" in error.hint


def test_missing_credentials_are_asked_for(modules: Modules) -> None:
    assert "token" in refused(modules, InputError, "volume_info", password="").hint


@pytest.mark.parametrize(
    ("option", "wrong", "listed"),
    [
        ("cloud", "nowhere", "Lab Cloud (lab-cloud)"),
        ("group", "nobody", "Lab Group"),
        ("cluster", "none", "lab-cluster"),
        ("instance_type", "vmware", "HVM (mvm)"),
        ("layout", "triple", "Single HVM VM (mvm-1.0-single)"),
        ("plan", "huge", "lab-1c-1g"),
        ("resource_pool", "pool-99", "lab-cluster"),
    ],
)
def test_wrong_name_is_answered_with_the_right_ones(
    modules: Modules, option: str, wrong: str, listed: str
) -> None:
    error = refused(modules, NoSuchObjectError, "instance", **{**TARGET, option: wrong})
    assert f'"{wrong}"' in str(error)
    assert listed in error.hint


def test_wrong_network_datastore_and_image_are_named(modules: Modules) -> None:
    network = {"networks": [{"network": "moon"}]}
    assert (
        "production"
        in refused(modules, NoSuchObjectError, "instance", **{**TARGET, **network}).hint
    )
    disk = {"name": "root", "size": GIB, "root": True, "datastore": "moon"}
    error = refused(modules, NoSuchObjectError, "instance", **{**TARGET, "volumes": [disk]})
    assert "lab-datastore" in error.hint
    error = refused(modules, NoSuchObjectError, "instance", **{**TARGET, "image": "none"})
    assert "morpheus_image" in error.hint


def test_new_instance_says_what_it_cannot_do_without(modules: Modules) -> None:
    error = refused(modules, InputError, "instance", name="web01", tags={"ferry": "web01"})
    assert "cloud, group, instance_type, layout, plan, volumes, networks" in str(error)


@pytest.mark.parametrize("roots", [[], ["a", "b"]], ids=["none", "two"])
def test_new_instance_has_exactly_one_root(modules: Modules, roots: list[str]) -> None:
    disks = [{"name": name, "size": GIB, "root": name in roots} for name in ("a", "b")]
    error = refused(modules, InputError, "instance", **{**TARGET, "volumes": disks})
    assert f"{len(roots)} root volumes" in str(error)


def test_full_datastore_is_the_appliances_own_word(api: Api, modules: Modules) -> None:
    api.put("/lab/config", {"capacity": GIB})
    with pytest.raises(FerryError, match="not enough space on the datastore"):
        modules.call("instance", **TARGET)


@pytest.fixture
def failed(api: Api, modules: Modules) -> FerryError:
    """The target failed while it was provisioned: the datastore was away for a moment."""
    store = api.appliance.directory / "volumes"
    store.rename(store.with_name("away"))
    error = refused(modules, StateFailedError, "instance", **TARGET)
    store.with_name("away").rename(store)
    return error


def test_instance_whose_provisioning_fails_tells_why(failed: FerryError) -> None:
    assert 'instance "web01"' in str(failed)
    assert '"failed"' in str(failed)
    assert "provision: qemu-img" in str(failed)


def test_failed_instance_is_not_taken_for_a_good_one_and_can_be_removed(
    modules: Modules, failed: FerryError
) -> None:
    error = refused(modules, NotAllowedNowError, "instance", **TARGET)
    assert "qemu-img" in str(error)
    assert modules.call("instance", name="web01", state="absent").changed
    assert modules.call("instance", **TARGET).changed
    assert failed


def test_failed_instance_is_taken_apart_without_leaving_volumes_behind(
    api: Api, modules: Modules, failed: FerryError
) -> None:
    for name in "root", "data":
        assert modules.call("volume", name=name, instance="web01", state="detached").changed
        assert modules.call("volume", name=name, state="absent").changed
    assert modules.call("instance", name="web01", state="absent", preserve_volumes=True).changed
    assert api.get("/api/storage-volumes")["storageVolumes"] == []
    assert failed


def test_guest_that_ignores_the_power_button_is_not_called_off(api: Api, modules: Modules) -> None:
    modules.call("instance", **{**TARGET, "powered_off": False})
    api.put("/lab/config", {"guests_obey": False, "stop_deadline": 30})
    error = refused(
        modules, TooSlowError, "instance", name="web01", state="stopped", wait_timeout=1
    )
    assert '"stopping"' in str(error)
    assert "its power is on" in str(error)


def test_upload_that_was_cut_without_a_word_is_found_and_mended(
    api: Api, modules: Modules, image: Path
) -> None:
    # A real client of the vendor once exited 0 after a partial upload.
    api.put("/lab/config", {"truncate_upload": 1000})
    error = refused(modules, TooSlowError, "image", **image_arguments(image), wait_timeout=1)
    assert "5.9 KiB (6000)" in str(error)
    assert "1000" in str(error)
    api.put("/lab/config", {"truncate_upload": None})
    outcome = modules.call("image", **image_arguments(image))
    assert outcome.changed
    assert outcome.result["image"]["complete"] is True
    assert len(api.get("/api/virtual-images")["virtualImages"]) == 1


def test_new_seed_of_equal_length_is_uploaded_again(modules: Modules, image: Path) -> None:
    modules.call("image", **image_arguments(image))
    image.write_bytes(b"seed02" * 1000)
    assert modules.call("image", **image_arguments(image)).changed
    assert not modules.call("image", **image_arguments(image)).changed


def test_image_of_somebody_else_is_not_replaced(api: Api, modules: Modules, image: Path) -> None:
    number = api.create_image(WORKER, b"somebody's")
    error = refused(modules, NotOursError, "image", **image_arguments(image))
    assert f"(id {number})" in str(error)
    assert len(api.get("/api/virtual-images")["virtualImages"]) == 1


def test_file_that_is_not_there_is_named(modules: Modules, tmp_path: Path) -> None:
    arguments = image_arguments(tmp_path / "nowhere.iso")
    assert "nowhere.iso" in str(refused(modules, InputError, "image", **arguments))


@pytest.fixture
def pair(api: Api, modules: Modules, image: Path) -> Mapping[str, Any]:
    """The target and the creator exist, off; the worker volume is the creator's root."""
    modules.call("instance", **TARGET)
    modules.call("image", **image_arguments(image))
    creator = modules.call("instance", **creator_arguments()).result["instance"]
    return {"worker": creator["volumes"][0]["id"]}


def test_volume_is_not_taken_from_its_owner_to_be_given_away(
    modules: Modules, pair: Mapping[str, Any]
) -> None:
    error = refused(
        modules, NotAllowedNowError, "volume", id=pair["worker"], instance="web01", state="attached"
    )
    assert CREATOR in str(error)


def test_second_root_is_refused_before_the_appliance_is_asked(
    modules: Modules, pair: Mapping[str, Any]
) -> None:
    modules.call("volume", id=pair["worker"], state="detached")
    error = refused(
        modules,
        NotAllowedNowError,
        "volume",
        name=WORKER,
        instance="web01",
        state="attached",
        root=True,
    )
    assert 'already boots from volume "root"' in str(error)


def test_volumes_of_a_running_instance_stay(modules: Modules, pair: Mapping[str, Any]) -> None:
    modules.call("instance", name="web01", state="started")
    modules.call("volume", id=pair["worker"], state="detached")
    for arguments in (
        {"name": "data", "instance": "web01", "state": "detached"},
        {"name": WORKER, "instance": "web01", "state": "attached"},
    ):
        error = refused(modules, NotAllowedNowError, "volume", **arguments)
        assert "is not off" in str(error)


def test_attached_volume_is_not_deleted(modules: Modules, pair: Mapping[str, Any]) -> None:
    error = refused(modules, NotAllowedNowError, "volume", id=pair["worker"], state="absent")
    assert f'attached to instance "{CREATOR}"' in str(error)


def test_creator_with_the_worker_volume_still_on_it_is_not_removed(
    modules: Modules, pair: Mapping[str, Any]
) -> None:
    error = refused(
        modules, NotAllowedNowError, "instance", name=CREATOR, state="absent", preserve_volumes=True
    )
    assert f'volume "{WORKER}" (id {pair["worker"]})' in str(error)


def test_name_of_two_volumes_means_the_one_on_the_named_instance(
    modules: Modules, pair: Mapping[str, Any]
) -> None:
    modules.call("instance", **{**TARGET, "name": "db01"})
    error = refused(modules, AmbiguousNameError, "volume", name="data", state="detached")
    assert "Give the id" in error.hint
    outcome = modules.call("volume", name="data", instance="db01", state="detached")
    assert outcome.diff == {
        "before": {"attached_to": "db01", "root": False, "unit": 1},
        "after": {"attached_to": None, "root": False, "unit": None},
    }
    assert not modules.call("volume", name="data", instance="db01", state="detached").changed


def test_unknown_instance_is_named(modules: Modules) -> None:
    for state in "started", "stopped":
        assert '"ghost"' in str(
            refused(modules, NoSuchObjectError, "instance", name="ghost", state=state)
        )
    missing = {"id": 4711, "instance": "ghost", "state": "attached"}
    assert '"ghost"' in str(refused(modules, NoSuchObjectError, "volume", **missing))


def test_volume_that_does_not_exist_cannot_be_attached_and_is_detached(modules: Modules) -> None:
    modules.call("instance", **TARGET)
    error = refused(
        modules, NoSuchObjectError, "volume", id=4711, instance="web01", state="attached"
    )
    assert "with id 4711" in str(error)
    assert not modules.call("volume", id=4711, instance="web01", state="detached").changed


def test_unit_that_the_appliance_gave_otherwise_is_reported(modules: Modules) -> None:
    disk = {"name": "root", "size": GIB, "root": True, "unit": 3}
    error = refused(modules, NotAsAskedError, "instance", **{**TARGET, "volumes": [disk]})
    assert "is at unit 0, not 3" in str(error)
