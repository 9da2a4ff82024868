# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A disk whose unused granules read as zeros. PRIVATE. Python 3.6.

    disk     |-- used --|-- unused --|- used -|
    read     | the disk |    zeros   | disk   |      the unused is not even read

Which they are does not change while it is open, and depends on nothing but the place. So whoever reads it, in
chunks or granules, for a digest or for sending, gets the same bytes.
"""

from .disks import Disk
from .geometry import Span
from .granule_set import GranuleSet


class MaskedDisk(Disk):
    """See the file's head; `disk` is closed with this one."""

    def __init__(self, disk: Disk, unused: GranuleSet) -> None:
        self.size = disk.size
        self._disk = disk
        self._unused = unused

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        """See Disk."""
        for span, is_unused in self._unused.runs(Span(start, length)):
            at = span.start - start
            if is_unused:
                buffer[at : at + span.length] = bytes(span.length)
            else:
                self._disk.read(span.start, span.length, buffer[at:])
        return buffer[:length]

    def refresh(self) -> None:
        """See Disk."""
        self._disk.refresh()

    def close(self) -> None:
        """See Disk."""
        self._disk.close()
