# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The appliance's files: volumes as qcow2, images as they were uploaded. Made by qemu-img.

volumes/<uuid>.qcow2              kept under this name wherever the volume is attached
volumes/<uuid>.<snapshot>.qcow2   what the volume held at that snapshot: a layer that is never written
images/<id>/<filename>

A volume leans on the layer of its latest snapshot, that one on the one before. After a revert two lean
on the same:

    1044 <-- 1051 <-- volume    reverted to 1044:    1044 <-- 1051
                                                     1044 <-- volume
"""

from __future__ import annotations

import json
import os
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

    async def keep_layer(self, volume: Volume, snapshot: int) -> None:
        """What the volume holds is the snapshot's layer; the volume leans on it and takes the writes.

        The volume's own file is there at every moment: what is killed in between loses nothing.
        """
        layer = self._layer_path(volume, snapshot)
        os.link(self.volume_path(volume), layer)
        await self._lean(volume, layer)

    async def return_to_layer(self, volume: Volume, snapshot: int) -> None:
        """The volume holds what it held at the snapshot; what was written since is lost."""
        await self._lean(volume, self._layer_path(volume, snapshot))

    async def drop_layer(self, volume: Volume, snapshot: int) -> None:
        """The snapshot's layer is gone; what leaned on it took over what it had of it."""
        layer = self._layer_path(volume, snapshot)
        below = await self._layer_below(layer)
        for file in self._files(volume):
            if await self._layer_below(file) == layer.name:
                rebase = ("rebase", "-q", "-f", "qcow2", "-F", "qcow2", "-b", below)
                await run_aside("qemu-img", *rebase, str(file))
        layer.unlink()

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
        """The volume's file and its layers are gone."""
        for file in self._files(volume):
            file.unlink()

    def delete_image(self, image: Image) -> None:
        shutil.rmtree(self._images / str(image.id), ignore_errors=True)

    def delete_image_file(self, image: Image, filename: str) -> None:
        self.image_path(image, filename).unlink(missing_ok=True)

    def _layer_path(self, volume: Volume, snapshot: int) -> Path:
        return self._volumes / f"{volume.uuid}.{snapshot}.qcow2"

    def _files(self, volume: Volume) -> list[Path]:
        return sorted(self._volumes.glob(f"{volume.uuid}*.qcow2"))

    async def _lean(self, volume: Volume, layer: Path) -> None:
        """The volume's file is a new, empty one upon the layer, which it names without its folder."""
        aside = self.volume_path(volume).with_suffix(".new")
        create = ("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", layer.name)
        await run_aside("qemu-img", *create, str(aside))
        aside.replace(self.volume_path(volume))

    async def _layer_below(self, file: Path) -> str:
        """The name of the layer that the file leans on, "" for none."""
        told = await run_aside("qemu-img", "info", "--output", "json", "-f", "qcow2", str(file))
        return str(json.loads(told).get("backing-filename", ""))
