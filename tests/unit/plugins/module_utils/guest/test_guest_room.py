# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room for a new initramfs: what is known of it, and that too little is told before anything is written."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import RebuildInitramfs
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PlanError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import (
    GuestFacts,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.plan import make_plan
from ansible_collections.ferry.hvm.plugins.module_utils.guest.rules import Options

from tests.unit.plugins.module_utils.guest.guest_samples import LACKING, READY, guest
from tests.unit.plugins.module_utils.guest.rpm_guests import RELEASES, build, look

MIB = 1 << 20
OLDER = dataclasses.replace(LACKING, version="5.10.0-9-amd64", initramfs="/boot/initrd.img-5.10")
RHEL9 = RELEASES[2]


def is_refused(facts: GuestFacts) -> bool:
    """Return whether there is too little room for an image that would be made otherwise."""
    enough = dataclasses.replace(facts, room={"/boot": 1 << 40})
    made = make_plan(enough, Options()).changes
    assert any(isinstance(each, RebuildInitramfs) for each in made)
    try:
        return make_plan(facts, Options()).changes != made
    except PlanError as error:
        return "Remove old kernels on the source" in str(error)


def debian(free: int, *images: int) -> GuestFacts:
    """A guest that needs an initramfs for each size of a present one, in MiB, with so much free."""
    kernels = (LACKING, OLDER)[: len(images)]
    sizes = {each.initramfs or "": size * MIB for each, size in zip(kernels, images, strict=True)}
    return guest(kernels=kernels, images=sizes, room={"/boot": free * MIB})


@pytest.mark.parametrize(
    ("images", "needed"),
    [
        pytest.param((30,), 34, id="beside the present one"),
        pytest.param((30, 50), 58, id="one after the other, so the largest counts"),
    ],
)
def test_debian_writes_a_new_image_beside_the_old_one(images: tuple[int, ...], needed: int) -> None:
    assert not is_refused(debian(needed, *images))
    assert is_refused(debian(needed - 1, *images))


def rhel(root: Path, free: int, images: dict[str, int]) -> GuestFacts:
    build(root, RHEL9)
    sizes = {path: size * MIB for path, size in images.items()}
    return dataclasses.replace(look(root), images=sizes, room={"/boot": free * MIB})


RESCUE = "/boot/initramfs-0-rescue-0123456789abcdef.img"


@pytest.mark.parametrize(
    ("images", "needed"),
    [
        pytest.param({RHEL9.default_image: 30}, 94, id="several times as large, over the old one"),
        pytest.param({RHEL9.default_image: 30, RESCUE: 80}, 54, id="as large as that for rescue"),
        pytest.param({RHEL9.default_image: 90, RESCUE: 80}, 4, id="it was for any machine before"),
    ],
)
def test_dracut_makes_an_image_for_any_machine(
    tmp_path: Path, images: dict[str, int], needed: int
) -> None:
    assert not is_refused(rhel(tmp_path / "enough", needed, images))
    assert is_refused(rhel(tmp_path / "little", needed - 1, images))


def test_the_source_may_make_a_small_image_itself(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"Remove old kernels on the source or run `dracut --force"):
        make_plan(rhel(tmp_path, 1, {RHEL9.default_image: 30}), Options())


def test_a_guest_that_needs_no_image_needs_no_room() -> None:
    facts = guest(kernels=(READY,), room={"/boot": 0}, images={READY.initramfs or "": 1})
    assert make_plan(facts, Options()).changes == ()


def test_what_is_there_and_what_is_free_is_known(tmp_path: Path) -> None:
    build(tmp_path, RHEL9)
    facts = look(tmp_path)
    present = {RHEL9.image.format(each) for each in RHEL9.kernels}
    assert set(facts.images) == present
    assert facts.images[RHEL9.default_image] == (tmp_path / RHEL9.default_image[1:]).stat().st_size
    status = os.statvfs(tmp_path)
    assert 0 < facts.room["/boot"] <= status.f_blocks * status.f_frsize
    # Of a family that is not handled, and with a link that leads nowhere.
    (tmp_path / "boot/initrd.img").symlink_to("gone")
    assert set(look(tmp_path).images) == present
