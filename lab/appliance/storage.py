# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The appliance's files: volumes as qcow2, images as they were uploaded. Made by qemu-img.

volumes/<uuid>.qcow2     kept under this name wherever the volume is attached
images/<id>/<filename>
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from ..command import run_aside
from ..errors import LabError
from .records import Image, Volume
from .settings import ApplianceSettings


class Storage:
    """Files of one appliance. Raises LabError with qemu-img's words when one cannot be made."""

    def __init__(self, settings: ApplianceSettings) -> None:
        self._volumes = settings.volumes
        self._images = settings.images
        self._volumes.mkdir(parents=True, exist_ok=True)
        self._images.mkdir(parents=True, exist_ok=True)

    def volume_path(self, volume: Volume) -> Path:
        return self._volumes / f"{volume.uuid}.qcow2"

    def image_path(self, image: Image, filename: str | None = None) -> Path:
        """The path of a file of the image; without a name, of its only one."""
        # Only the last part of a client's name: it must not lead out of the image's directory.
        name = Path(filename or next(iter(image.files))).name
        return self._images / str(image.id) / name

    async def create_volume(self, volume: Volume, content: Image | None) -> None:
        """The volume's file exists, with the image's content or, without one, all zeros."""
        path = str(self.volume_path(volume))
        if content is None:
            await run_aside("qemu-img", "create", "-q", "-f", "qcow2", path, str(volume.size))
            return
        source = str(self.image_path(content))
        formats = ("-f", content.image_type, "-O", "qcow2")
        await run_aside("qemu-img", "convert", "-q", *formats, source, path)
        await self.grow_volume(volume, volume.size)

    async def grow_volume(self, volume: Volume, size: int) -> None:
        """The volume's file has this size, larger than before or the same; in bytes."""
        path = str(self.volume_path(volume))
        await run_aside("qemu-img", "resize", "-q", "-f", "qcow2", path, str(size))

    async def virtual_size(self, image: Image) -> int:
        """How large a disk the image makes, in bytes. Refuses one that leans on another file."""
        path = str(self.image_path(image))
        form = "raw" if image.image_type == "iso" else image.image_type
        told = await run_aside("qemu-img", "info", "--output", "json", "-f", form, path)
        answer = json.loads(told)
        if "backing-filename" in answer:
            raise LabError(f"Image {image.name} is not whole: it has a backing file")
        return int(answer["virtual-size"])

    def delete_volume(self, volume: Volume) -> None:
        self.volume_path(volume).unlink(missing_ok=True)

    def delete_image(self, image: Image) -> None:
        shutil.rmtree(self._images / str(image.id), ignore_errors=True)

    def delete_image_file(self, image: Image, filename: str) -> None:
        self.image_path(image, filename).unlink(missing_ok=True)
