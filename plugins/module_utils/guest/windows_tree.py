# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Files of a mounted Windows, by paths below its volume with backslashes, in any case.

NTFS through ntfs-3g minds the case of names, Windows does not; so each part of a path is looked up.
No link is followed: what is read and written here lies in folders of Windows itself, and a junction
there (a link, to ntfs-3g) means an odd guest.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import Dict, List, Optional

from .errors import PreparationError
from .windows_rights import PRIVATE_RIGHTS

# Where ntfs-3g shows the security descriptor of a file, as NTFS has it (ntfs-3g's "Extended attributes").
RIGHTS_ATTRIBUTE = "system.ntfs_acl"


class WindowsTree:
    """The files below `root`, a folder of the worker where the volume is mounted.

    `rights` is the security descriptor that new files and folders get, None off NTFS.
    """

    def __init__(self, root: str, rights: Optional[bytes] = None) -> None:
        self.root = root
        self._rights = rights

    def host_path(self, path: str) -> str:
        """Return where `path` lies, with the names as they are; missing ones are as given.

        Raises PreparationError if a link is in the way.
        """
        place = self.root
        for part in path.split("\\"):
            place = os.path.join(place, self._spelling(place, part))
            if os.path.islink(place):
                raise PreparationError(
                    f"{path} leads over a link in the guest ({part}).",
                    hint="Replace the link by a folder on the source, and sync again.",
                )
        return place

    def _spelling(self, folder: str, name: str) -> str:
        if not os.path.isdir(folder) or os.path.lexists(os.path.join(folder, name)):
            return name
        return next((each for each in os.listdir(folder) if each.lower() == name.lower()), name)

    def has(self, path: str) -> bool:
        """Return whether a file or folder is there."""
        return os.path.exists(self.host_path(path))

    def names(self, path: str) -> List[str]:
        """Return the sorted names in a folder; none if it is not there."""
        place = self.host_path(path)
        return sorted(os.listdir(place)) if os.path.isdir(place) else []

    def read(self, path: str) -> Optional[str]:
        """Return a file's text, None if there is none. Bytes that are no UTF-8 survive."""
        place = self.host_path(path)
        if not os.path.isfile(place):
            return None
        with open(place, "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")

    def head(self, path: str, length: int) -> bytes:
        """Return the first bytes of a file; nothing if there is no file."""
        place = self.host_path(path)
        if not os.path.isfile(place):
            return b""
        with open(place, "rb") as file:
            return file.read(length)

    def write(self, path: str, content: str) -> None:
        """The file holds the text, byte by byte, and its folders are there."""
        with open(self._make_file(path), "wb") as file:
            file.write(content.encode("utf-8", "surrogateescape"))

    def write_privately(self, path: str, content: str) -> None:
        """As `write`, and on NTFS only administrators and the system may read the file."""
        self.write(path, "")
        if self._rights is not None:
            os.setxattr(self.host_path(path), RIGHTS_ATTRIBUTE, PRIVATE_RIGHTS)
        self.write(path, content)

    def place(self, source: str, path: str) -> None:
        """The file is a copy of `source`, a file of the worker."""
        shutil.copyfile(source, self._make_file(path))

    def digests(self, folder: str) -> Dict[str, str]:
        """Return the digest of each file in a folder and below, by its path in lower case."""
        found: Dict[str, str] = {}
        for name in self.names(folder):
            path = f"{folder}\\{name}"
            if os.path.isdir(self.host_path(path)):
                found.update(self.digests(path))
            else:
                found[path.lower()] = file_digest(self.host_path(path))
        return found

    def digest(self, path: str) -> str:
        """Return the digest of a file."""
        return file_digest(self.host_path(path))

    def _make_file(self, path: str) -> str:
        """Return where the file lies; it is there, empty if it was not."""
        place = self.host_path(path)
        missing = []
        folder = os.path.dirname(place)
        while not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        for each in reversed(missing):
            os.mkdir(each)
            self._protect(each)
        if not os.path.exists(place):
            with open(place, "xb"):
                self._protect(place)
        return place

    def _protect(self, place: str) -> None:
        if self._rights is not None:
            os.setxattr(place, RIGHTS_ATTRIBUTE, self._rights)


def file_digest(path: str) -> str:
    """Return the SHA-256 of a file of the worker, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
