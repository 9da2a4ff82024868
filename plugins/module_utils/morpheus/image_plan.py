# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which virtual images there shall be, and the steps to it. PRIVATE to the collection. Pure.

An image is right when it holds exactly the one file, and is for the wanted firmware. The appliance tells a file's length but not
its digest; so Ferry writes both on the image as tags when it makes it. A file that changed without
changing its length (a new seed) is seen by the digest, an upload that was cut by the length.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from ..change_plan import Plan
from ..units import show_exact_size
from .errors import NotOursError
from .images import DIGEST_TAG, LENGTH_TAG, Image
from .parse import tag_list

# Names the migration that an object belongs to.
MIGRATION_TAG = "ferry"


@dataclass(frozen=True)
class WantedImage:
    """An image and its file at `path`: `length` in bytes, `digest` the SHA-256 in hex."""

    name: str
    kind: str
    path: str
    length: int
    digest: str
    min_disk: Optional[int] = None
    is_uefi: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    labels: Tuple[str, ...] = ()

    @property
    def filename(self) -> str:
        """The file's name on the appliance; its extension tells the type there."""
        return f"{self.name}.{self.kind}"

    @property
    def all_tags(self) -> Dict[str, str]:
        """The operator's tags and those that tell which file the image holds."""
        return {**self.tags, DIGEST_TAG: self.digest, LENGTH_TAG: str(self.length)}

    def as_request(self) -> Dict[str, Any]:
        """Return the settings in the API's words.

        No cloud-init and no agent: their defaults (on) make provisioning of an image without them
        fail, or wait for an agent that never calls (vendor's documentation of virtual images).
        """
        settings: Dict[str, Any] = {
            "name": self.name,
            "imageType": self.kind,
            "isCloudInit": False,
            "installAgent": False,
            "virtioSupported": True,
            "vmToolsInstalled": False,
            "visibility": "private",
            "uefi": self.is_uefi,
            "tags": tag_list(self.all_tags),
            "labels": list(self.labels),
        }
        return settings if self.min_disk is None else {**settings, "minDisk": self.min_disk}


class Remove(NamedTuple):
    """Delete the image, its file and what clouds cached of it."""

    image: Image


class Create(NamedTuple):
    """Make the image and upload its file."""

    wanted: WantedImage


class Mark(NamedTuple):
    """Give the image these tags and labels, all it shall have."""

    image: Image
    tags: Mapping[str, str]
    labels: Tuple[str, ...]


ImageStep = Union[Remove, Create, Mark]
ImagePlan = Plan[ImageStep]


def plan_present(wanted: WantedImage, seen: Sequence[Image]) -> ImagePlan:
    """Plan for exactly one image of this name, with this file.

    What an interrupted upload left, or an earlier file, is made again. Raises `NotOursError` for
    an image of this name that Ferry did not make, or made for another migration.
    """
    right = next((image for image in seen if is_right(image, wanted)), None)
    wrong = [image for image in seen if image is not right]
    for image in wrong:
        _need_ours(image, wanted)
    steps: List[ImageStep] = [Remove(image) for image in wrong]
    if right is None:
        steps.append(Create(wanted))
        after = _wanted_state(wanted)
    else:
        mark = Mark(
            right,
            {**right.tags, **wanted.all_tags},
            tuple(sorted({*right.labels, *wanted.labels})),
        )
        is_marked = mark.tags == right.tags and mark.labels == right.labels
        steps += [] if is_marked else [mark]
        after = {**_state(right), "tags": dict(mark.tags), "labels": list(mark.labels)}
    return Plan(tuple(steps), _states(seen), {wanted.name: after})


def plan_absent(seen: Sequence[Image]) -> ImagePlan:
    """Plan for no image to be left of those seen."""
    return Plan(tuple(Remove(image) for image in seen), _states(seen), {})


def is_right(image: Image, wanted: WantedImage) -> bool:
    """Whether the image holds the wanted file, whole, and nothing else, for the wanted firmware.

    An image without the digest's tag was not made by Ferry: its length must do.
    """
    return (
        image.kind == wanted.kind
        and image.is_uefi == wanted.is_uefi
        and list(image.lengths.values()) == [wanted.length]
        and image.tags.get(DIGEST_TAG, wanted.digest) == wanted.digest
    )


def _need_ours(image: Image, wanted: WantedImage) -> None:
    is_made_by_ferry = DIGEST_TAG in image.tags
    if is_made_by_ferry and image.tags.get(MIGRATION_TAG) == wanted.tags.get(MIGRATION_TAG):
        return
    lengths = ", ".join(show_exact_size(length) for length in image.lengths.values())
    raise NotOursError(
        f"The {image} is not as wanted (it has {lengths or 'no file'} for {_firmware(image.is_uefi)}, wanted is"
        f" {show_exact_size(wanted.length)} for {_firmware(wanted.is_uefi)}), and its tags do not say that Ferry made it for"
        f' "{wanted.tags.get(MIGRATION_TAG, "")}": {dict(image.tags)}.',
        hint="Remove it on the appliance if nobody needs it, or choose another name.",
    )


def _firmware(is_uefi: bool) -> str:
    return "UEFI" if is_uefi else "BIOS"


def _wanted_state(wanted: WantedImage) -> Dict[str, Any]:
    return {
        "image_type": wanted.kind,
        "uefi": wanted.is_uefi,
        "files": {wanted.filename: wanted.length},
        "tags": wanted.all_tags,
        "labels": sorted(wanted.labels),
    }


def _state(image: Image) -> Dict[str, Any]:
    return {
        "image_type": image.kind,
        "uefi": image.is_uefi,
        "files": dict(image.lengths),
        "tags": dict(image.tags),
        "labels": list(image.labels),
    }


def _states(seen: Sequence[Image]) -> Dict[str, Any]:
    if len(seen) == 1:
        return {seen[0].name: _state(seen[0])}
    return {f"{image.name} (id {image.id})": _state(image) for image in seen}
