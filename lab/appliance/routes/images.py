# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual images and their files."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import views
from ..records import Image
from ..refusals import RefusedError, invalid
from ..requests import part, read_tags
from ..web import body_of, find_image, page, site_of, success

# Of the vendor's image types, those that HVM takes and this appliance can read.
IMAGE_TYPES = ("raw", "qcow2", "iso")
# What a creator may say of an image, with the defaults of the vendor's specification.
ATTRIBUTES: dict[str, Any] = {
    "description": None,
    "isCloudInit": True,
    "installAgent": True,
    "virtioSupported": True,
    "vmToolsInstalled": True,
    "uefi": False,
    "minDisk": None,
    "minRam": None,
    "visibility": "private",
}
# zlib's way to say: a gzip header is expected.
GZIP = 16 + zlib.MAX_WBITS


async def list_images(request: Request) -> Response:
    images = site_of(request).records.images.values()
    shown = [views.image(image) for image in images]
    return page(request, "virtualImages", shown, exact=("name", "imageType"))


async def create_image(request: Request) -> Response:
    """A new image without files: it is called Active all the same, as on the real appliance."""
    wanted = part(await body_of(request), "virtualImage")
    name, image_type = str(wanted.get("name", "")), str(wanted.get("imageType", ""))
    if not name:
        raise invalid("name", "is required")
    if image_type not in IMAGE_TYPES:
        raise invalid("imageType", f"{image_type!r} is not one of {', '.join(IMAGE_TYPES)}")
    records = site_of(request).records
    image = Image(
        id=records.new_id(),
        name=name,
        image_type=image_type,
        attributes={key: wanted.get(key, default) for key, default in ATTRIBUTES.items()},
        tags=read_tags(wanted.get("tags")),
        labels=[str(label) for label in wanted.get("labels") or []],
    )
    records.images[image.id] = image
    records.save()
    return success(virtualImage=views.image(image), cloudFiles=[])


async def show_image(request: Request) -> Response:
    image = find_image(request)
    return JSONResponse(
        {"virtualImage": views.image(image), "cloudFiles": views.cloud_files(image)}
    )


async def update_image(request: Request) -> Response:
    image = find_image(request)
    wanted = part(await body_of(request), "virtualImage")
    image.name = str(wanted.get("name", image.name))
    image.attributes.update({key: wanted[key] for key in ATTRIBUTES if key in wanted})
    if "tags" in wanted:
        image.tags = read_tags(wanted["tags"])
    if "labels" in wanted:
        image.labels = [str(label) for label in wanted["labels"] or []]
    site_of(request).records.save()
    return success(virtualImage=views.image(image))


async def upload_file(request: Request) -> Response:
    """The body's bytes are a file of the image; until they are all there the image is Saving."""
    image, site = find_image(request), site_of(request)
    filename = request.query_params.get("filename", "")
    if not filename:
        raise RefusedError("filename is required", errors={"filename": "is required"})
    if "multipart" in request.headers.get("content-type", ""):
        raise RefusedError("Send the file's bytes as application/octet-stream, not as a form")
    path = site.storage.image_path(image, filename)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.status = "Saving"
    length = 0
    try:
        with path.open("wb") as file:
            async for block in _content(request, site.behaviour.truncate_upload):
                length += file.write(block)
        image.files[path.name] = length
    finally:
        image.status = "Active"
        site.records.save()
    return success()


async def delete_file(request: Request) -> Response:
    image, site = find_image(request), site_of(request)
    filename = request.query_params.get("filename", "")
    if filename not in image.files:
        raise RefusedError(f"Image {image.name} has no file {filename!r}", status=404)
    site.storage.delete_image_file(image, filename)
    del image.files[filename]
    site.records.save()
    return success()


async def list_locations(request: Request) -> Response:
    find_image(request)
    return page(request, "locations", [])


async def delete_image(request: Request) -> Response:
    """Refused while an instance has the image in its drive."""
    image, site = find_image(request), site_of(request)
    users = [each.name for each in site.records.instances.values() if each.medium == image.id]
    if users:
        raise RefusedError(f"Image {image.name} is in the drive of {', '.join(users)}")
    site.storage.delete_image(image)
    del site.records.images[image.id]
    site.records.save()
    return success()


async def _content(request: Request, limit: int | None) -> AsyncIterator[bytes]:
    """The plain bytes of the upload; of a limited one only so many, with no word about the rest."""
    packed = request.headers.get("content-encoding") == "gzip"
    unpacker = zlib.decompressobj(GZIP)
    left = limit
    async for block in request.stream():
        plain = unpacker.decompress(block) if packed else block
        yield plain if left is None else plain[:left]
        left = None if left is None else max(0, left - len(plain))


ROUTES = [
    Route("/api/virtual-images", list_images, methods=["GET"]),
    Route("/api/virtual-images", create_image, methods=["POST"]),
    Route("/api/virtual-images/{id}", show_image, methods=["GET"]),
    Route("/api/virtual-images/{id}", update_image, methods=["PUT"]),
    Route("/api/virtual-images/{id}", delete_image, methods=["DELETE"]),
    Route("/api/virtual-images/{id}/upload", upload_file, methods=["POST"]),
    Route("/api/virtual-images/{id}/files", delete_file, methods=["DELETE"]),
    Route("/api/virtual-images/{id}/locations", list_locations, methods=["GET"]),
]
