# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Virtual images, and the upload of their one file. PRIVATE to the collection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..units import show_exact_size
from ..waiting import Waiter
from .client import MorpheusClient
from .errors import StateFailedError
from .parse import (
    Json,
    children,
    labels_of,
    maybe_int,
    need_child,
    need_id,
    tag_list,
    tags_of,
    text,
)
from .transport import Upload

# "Active" may come before the file is stored (vendor's HVM documentation): needed, never enough.
READY = "active"
FAILED = frozenset({"failed"})

# Tags that say which file Ferry sent: SHA-256 in hex, length in bytes.
DIGEST_TAG = "ferry_sha256"
LENGTH_TAG = "ferry_length"


@dataclass(frozen=True)
class Image:
    """A virtual image. `lengths` are those of its stored files, by file name, in bytes."""

    id: int
    name: str
    kind: str
    status: str
    min_disk: int
    is_uefi: bool
    tags: Mapping[str, str]
    labels: Tuple[str, ...]
    lengths: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f'virtual image "{self.name}" (id {self.id})'

    @property
    def is_complete(self) -> bool:
        """Whether it is active and holds one file, at the length that its tag tells, if any."""
        lengths = list(self.lengths.values())
        told = self.tags.get(LENGTH_TAG)
        is_whole = len(lengths) == 1 and (told is None or told == str(lengths[0]))
        return self.status == READY and is_whole

    def as_result(self) -> Dict[str, Any]:
        """Return what modules show of an image."""
        return {
            "id": self.id,
            "name": self.name,
            "image_type": self.kind,
            "status": self.status,
            "complete": self.is_complete,
            "min_disk": self.min_disk,
            "uefi": self.is_uefi,
            "tags": dict(self.tags),
            "labels": list(self.labels),
            "files": [
                {"name": name, "length": length} for name, length in sorted(self.lengths.items())
            ],
        }


def parse_image(answer: Json) -> Image:
    """Return the image of an answer: `virtualImage`, and `cloudFiles` beside it."""
    thing = need_child(answer, "virtualImage")
    return Image(
        id=need_id(thing, "virtual image"),
        name=text(thing.get("name")),
        kind=text(thing.get("imageType")),
        status=text(thing.get("status")).lower(),
        min_disk=maybe_int(thing.get("minDisk")) or 0,
        is_uefi=thing.get("uefi") is True,
        tags=tags_of(thing),
        labels=labels_of(thing),
        lengths={
            text(each.get("name")): maybe_int(each.get("contentLength")) or 0
            for each in children(answer, "cloudFiles")
        },
    )


def find_image(client: MorpheusClient, image_id: int) -> Optional[Image]:
    """Return the image with its files, None if there is none."""
    answer = client.find(f"/api/virtual-images/{image_id}")
    return parse_image(answer) if answer is not None else None


def list_images(client: MorpheusClient, *, name: str = "") -> List[Image]:
    """Return the images that users made, or those with exactly this name, with their files.

    Clouds list cached copies under the same name; those are not of filter type User.
    """
    query = {"name": name, "filterType": "User"} if name else {"filterType": "User"}
    listed = client.list_all("/api/virtual-images", "virtualImages", query)
    ids = [
        need_id(each, "virtual image") for each in listed if not name or each.get("name") == name
    ]
    return [image for image in (find_image(client, each) for each in ids) if image is not None]


def create_image(client: MorpheusClient, settings: Mapping[str, Any]) -> Image:
    """Make the image without a file; `settings` in the API's words."""
    return parse_image(
        client.request("POST", "/api/virtual-images", body={"virtualImage": dict(settings)})
    )


def mark_image(
    client: MorpheusClient, image: Image, *, tags: Mapping[str, str], labels: Sequence[str]
) -> None:
    """Replace tags and labels."""
    body = {"virtualImage": {"tags": tag_list(tags), "labels": sorted(labels)}}
    client.request("PUT", f"/api/virtual-images/{image.id}", body=body)


def upload_file(
    client: MorpheusClient, image: Image, filename: str, content: Upload, *, timeout: float
) -> None:
    """Send the file as the body of one request: the API has no pieces and no resuming.

    `timeout` in seconds is for the answer: a slow store answers only when it has it all.
    """
    client.request(
        "POST",
        f"/api/virtual-images/{image.id}/upload",
        query={"filename": filename},
        body=content,
        timeout=timeout,
    )


def wait_until_stored(client: MorpheusClient, image: Image, length: int, waiter: Waiter) -> Image:
    """Return the image once it is active and holds exactly one file of `length` bytes."""
    return waiter.until(
        lambda: _still_there(client, image),
        lambda seen: seen.status == READY and list(seen.lengths.values()) == [length],
        what=f"{image} to be active and hold one file of {show_exact_size(length)}",
        describe=lambda seen: f'it is "{seen.status}" with files {dict(seen.lengths)}',
    )


def remove_image(client: MorpheusClient, image: Image, waiter: Waiter) -> None:
    """Delete the image, its file and the copies that clouds cached; wait until it is gone."""
    client.remove(f"/api/virtual-images/{image.id}", {"removeFromCloud": "true"})
    waiter.until(
        lambda: find_image(client, image.id),
        lambda seen: seen is None,
        what=f"{image} to be gone",
        describe=lambda seen: f'it is "{seen.status}"' if seen else "",
    )


def _still_there(client: MorpheusClient, image: Image) -> Image:
    seen = find_image(client, image.id)
    if seen is None or seen.status in FAILED:
        raise StateFailedError(
            f"The {image} {'vanished' if seen is None else f'is {seen.status}'} after its upload.",
            hint="Look at the appliance's log and the free space of its image store.",
        )
    return seen
