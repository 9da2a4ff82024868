# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Files of a mounted guest, by the guest's own paths.

A link in the guest is followed as the guest would follow it: an absolute one starts at the guest's
root. So neither an odd guest nor a hostile one makes the worker read or write its own files.
Text is UTF-8 with surrogate escapes: every byte survives reading and writing.
"""

from __future__ import annotations

import os
import shutil
from typing import List, Optional

# As many links as Linux itself follows in one path (path_resolution(7)).
_MAX_LINKS = 40


class GuestTree:
    """The guest's files below `root`, a folder of the worker where its file systems are mounted."""

    def __init__(self, root: str) -> None:
        self.root = root

    def host_path(self, path: str) -> str:
        """Return where the guest's absolute `path` lies on the worker, all links followed.

        The last part may be missing. Raises OSError (ELOOP) for links that go in circles.
        """
        waiting = [part for part in reversed(path.split("/")) if part]
        resolved: List[str] = []
        links = 0
        while waiting:
            part = waiting.pop()
            if part in (".", ".."):
                resolved = resolved[:-1] if part == ".." else resolved
                continue
            candidate = os.path.join(self.root, *resolved, part)
            if not os.path.islink(candidate):
                resolved.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                raise OSError(40, "too many links", path)
            goal = os.readlink(candidate)
            resolved = [] if goal.startswith("/") else resolved
            waiting += [each for each in reversed(goal.split("/")) if each]
        return os.path.join(self.root, *resolved)

    def read(self, path: str) -> Optional[str]:
        """Return the text of a regular file, None if there is none."""
        try:
            where = self.host_path(path)
            if not os.path.isfile(where):
                return None
            with open(where, "rb") as file:
                return file.read().decode("utf-8", "surrogateescape")
        except OSError:
            return None

    def write(self, path: str, text: str) -> None:
        """The file holds `text`. An old file keeps its owner, mode and links; a new one is 0644.

        It is rewritten in place: the overlay below, not a rename, guards against half a file.
        """
        where = self.host_path(path)
        os.makedirs(os.path.dirname(where), mode=0o755, exist_ok=True)
        with open(where, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))

    def copy(self, source: str, target: str) -> None:
        """The file `target` has the bytes of the file `source`; its folders are made if need be."""
        where = self.host_path(target)
        os.makedirs(os.path.dirname(where), mode=0o755, exist_ok=True)
        shutil.copyfile(self.host_path(source), where)

    def names(self, path: str) -> List[str]:
        """Return the sorted names in a folder; none if it is not there."""
        try:
            return sorted(os.listdir(self.host_path(path)))
        except OSError:
            return []

    def size(self, path: str) -> int:
        """Return the size of a file in bytes. Raises OSError if it is not there."""
        return os.path.getsize(self.host_path(path))

    def free_bytes(self, path: str) -> int:
        """Return what root may still write to the file system of a folder. Raises OSError without it."""
        status = os.statvfs(self.host_path(path))
        return status.f_bfree * status.f_frsize

    def has(self, path: str) -> bool:
        """Return whether anything lies at `path`, links followed."""
        try:
            return os.path.exists(self.host_path(path))
        except OSError:
            return False
