# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Observe virtual images, carry out their plan, upload and verify. PRIVATE to the collection."""

from __future__ import annotations

import hashlib
from typing import BinaryIO, Tuple

from ..errors import InputError
from ..units import MIB
from ..waiting import Waiter
from . import images
from .client import MorpheusClient
from .errors import NotAsAskedError
from .image_plan import Create, ImagePlan, Mark, WantedImage
from .images import Image
from .transport import Upload

# SHA-256 with hardware support runs at 1 to 2 GB/s; smaller reads only cost calls.
READ_PIECE = 1 * MIB


def measure(path: str) -> Tuple[int, str]:
    """Return length in bytes and SHA-256 of the file. Raises `InputError`: unreadable or empty."""
    digest = hashlib.sha256()
    with _open(path) as content:
        for piece in iter(lambda: content.read(READ_PIECE), b""):
            digest.update(piece)
        length = content.tell()
    if length == 0:
        raise InputError(f'The image file "{path}" is empty.', hint="Build it again.")
    return length, digest.hexdigest()


def apply(client: MorpheusClient, plan: ImagePlan, waiter: Waiter) -> None:
    """Carry out the steps; each is true on the appliance before the next one starts."""
    for step in plan.steps:
        if isinstance(step, Create):
            _create(client, step.wanted, waiter)
        elif isinstance(step, Mark):
            images.mark_image(client, step.image, tags=step.tags, labels=step.labels)
        else:
            images.remove_image(client, step.image, waiter)


def verify(client: MorpheusClient, wanted: WantedImage, waiter: Waiter) -> Image:
    """Return the one image of the name, ready and holding the wanted file; read again for it."""
    found = images.list_images(client, name=wanted.name)
    if len(found) != 1:
        raise NotAsAskedError(
            f'There are {len(found)} virtual images "{wanted.name}" after the work on it.',
            hint="Something else changes them at the same time; run again.",
        )
    return images.wait_until_stored(client, found[0], wanted.length, waiter)


def _create(client: MorpheusClient, wanted: WantedImage, waiter: Waiter) -> None:
    """The image exists and its whole file is stored.

    A failure in between leaves an image that is not right, and that the next run makes again.
    """
    image = images.create_image(client, wanted.as_request())
    with _open(wanted.path) as content:
        upload = Upload(content, wanted.length)
        images.upload_file(client, image, wanted.filename, upload, timeout=waiter.timeout)
    images.wait_until_stored(client, image, wanted.length, waiter)


def _open(path: str) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise InputError(
            f'The image file "{path}" cannot be read: {error.strerror}.',
            hint="Build it first, and give its path on the host where the module runs.",
        ) from None
