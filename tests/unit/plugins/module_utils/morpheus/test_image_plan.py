# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an image is uploaded, uploaded again, marked, or left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.errors import NotOursError
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.image_plan import (
    Create,
    Mark,
    Remove,
    WantedImage,
    plan_absent,
    plan_present,
)
from ansible_collections.ferry.hvm.plugins.module_utils.morpheus.images import Image, parse_image

WANTED = WantedImage(
    name="ferry-worker-web01",
    kind="raw",
    path="/tmp/worker.iso",
    length=1000,
    digest="aa11",
    tags={"ferry": "web01"},
    labels=("ferry",),
)
FILE = "ferry-worker-web01.raw"


def image(
    number: int = 1, *, files: tuple[tuple[str, int], ...] = ((FILE, 1000),), **changes: Any
) -> Image:
    """The image that Ferry made for WANTED, with changes in the appliance's words."""
    tags = {"ferry": "web01", "ferry_sha256": "aa11", "ferry_length": "1000"}
    thing = {
        "id": number,
        "name": WANTED.name,
        "imageType": "raw",
        "status": "Active",
        "tags": [{"name": name, "value": value} for name, value in tags.items()],
        "labels": ["ferry"],
        **changes,
    }
    listed = [{"name": name, "contentLength": length, "size": 0.1} for name, length in files]
    return parse_image({"virtualImage": thing, "cloudFiles": listed})


def kinds(seen: list[Image]) -> list[type]:
    return [type(step) for step in plan_present(WANTED, seen).steps]


def test_missing_image_is_made() -> None:
    plan = plan_present(WANTED, [])
    assert plan.steps == (Create(WANTED),)
    assert plan.before == {}
    assert plan.after[WANTED.name]["files"] == {FILE: 1000}


def test_image_with_this_very_file_is_left_alone() -> None:
    plan = plan_present(WANTED, [image()])
    assert plan.steps == ()
    assert plan.before == plan.after


@pytest.mark.parametrize(
    "seen",
    [
        image(files=()),
        image(files=((FILE, 999),)),
        image(files=((FILE, 1000), ("second", 5))),
        image(imageType="qcow2"),
        image(uefi=True),
        image(
            tags=[
                {"name": "ferry", "value": "web01"},
                {"name": "ferry_sha256", "value": "other"},
            ]
        ),
    ],
    ids=[
        "no file",
        "cut upload",
        "two files",
        "other type",
        "other firmware",
        "other content of equal length",
    ],
)
def test_image_of_ours_that_is_not_right_is_made_again(seen: Image) -> None:
    assert kinds([seen]) == [Remove, Create]


@pytest.mark.parametrize(
    "tags",
    [
        [],
        [{"name": "ferry", "value": "web01"}],
        [{"name": "ferry", "value": "db01"}, {"name": "ferry_sha256", "value": "other"}],
    ],
    ids=["no tags", "not made by Ferry", "of another migration"],
)
def test_image_that_is_not_ours_is_not_touched(tags: list[dict[str, str]]) -> None:
    with pytest.raises(NotOursError, match=r"not as wanted \(it has 5 B \(5\) for BIOS"):
        plan_present(WANTED, [image(files=((FILE, 5),), tags=tags)])


def test_cut_copies_beside_the_right_image_are_removed() -> None:
    steps = plan_present(WANTED, [image(1, files=()), image(2)]).steps
    (step,) = steps
    assert isinstance(step, Remove)
    assert step.image.id == 1


def test_right_image_gets_missing_marks_and_keeps_others() -> None:
    foreign = {"name": "owner", "value": "ops"}
    seen = image(tags=[foreign], labels=["gold"])
    plan = plan_present(WANTED, [seen])
    (step,) = plan.steps
    assert isinstance(step, Mark)
    assert step.tags == {
        "owner": "ops",
        "ferry": "web01",
        "ferry_sha256": "aa11",
        "ferry_length": "1000",
    }
    assert step.labels == ("ferry", "gold")
    assert plan.after[WANTED.name]["labels"] == ["ferry", "gold"]


def test_every_image_of_the_name_is_removed() -> None:
    assert [type(step) for step in plan_absent([image(1), image(2)]).steps] == [Remove, Remove]
    assert plan_absent([]).steps == ()


def test_request_turns_off_what_the_image_has_not() -> None:
    # An image without cloud-init fails to provision with the API's default of isCloudInit.
    request = replace(WANTED, min_disk=2 << 30).as_request()
    assert (request["isCloudInit"], request["installAgent"]) == (False, False)
    assert request["minDisk"] == 2 << 30
    assert {"name": "ferry_sha256", "value": "aa11"} in request["tags"]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (image(), True),
        (image(files=()), False),
        (image(files=((FILE, 999),)), False),
        (image(status="SAVING"), False),
        (image(tags=[]), True),
    ],
    ids=["whole", "no file", "cut", "saving", "no length told"],
)
def test_image_tells_whether_it_is_complete(seen: Image, expected: bool) -> None:
    assert seen.as_result()["complete"] is expected
