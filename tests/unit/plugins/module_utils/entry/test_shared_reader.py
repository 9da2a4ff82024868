# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections share a reader until it is lost; nbdkit itself is killed in vsphere/test_vddk_disk.py."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.entry.shared_reader import SharedReader
from ansible_collections.ferry.hvm.plugins.module_utils.replication.disks import Disk
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.nbdkit import NbdkitError
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.vddk_disk import VddkLostError


class Reader:
    """A reader of zeros that can be lost, as VDDK's is; it says so when it was closed as well."""

    size = 512

    def __init__(self) -> None:
        self.is_lost = False
        self.closings = 0

    def read(self, start: int, length: int, buffer: memoryview) -> memoryview:
        if self.is_lost or self.closings:
            raise VddkLostError("the host went away")
        return buffer[:length]

    def refresh(self) -> None:
        """Nothing is newer."""

    def close(self) -> None:
        self.closings += 1


class Host:
    """Opens readers; `is_away` while none can be opened."""

    def __init__(self) -> None:
        self.readers: list[Reader] = []
        self.is_away = False
        self.shared = SharedReader(self._open, nullcontext)

    def _open(self) -> Reader:
        if self.is_away:
            raise NbdkitError("cannot open the disk")
        self.readers.append(Reader())
        return self.readers[-1]


def read(disk: Disk) -> int:
    return len(disk.read(0, 512, memoryview(bytearray(512))))


def test_connections_share_a_reader_that_outlives_them() -> None:
    host = Host()
    for _connection in range(2):
        disk = host.shared.lend()
        assert read(disk) == 512
        disk.close()
    assert [reader.closings for reader in host.readers] == [0]
    host.shared.close()
    assert [reader.closings for reader in host.readers] == [1]


def test_a_reader_that_was_lost_is_closed_and_the_next_connection_has_another() -> None:
    host = Host()
    disk = host.shared.lend()
    host.readers[0].is_lost = True
    with pytest.raises(VddkLostError):
        read(disk)
    assert host.readers[0].closings == 1
    assert read(host.shared.lend()) == 512
    assert len(host.readers) == 2


def test_who_finds_it_lost_later_leaves_the_new_one_alone() -> None:
    host = Host()
    first, second = host.shared.lend(), host.shared.lend()
    host.readers[0].is_lost = True
    with pytest.raises(VddkLostError):
        read(first)
    third = host.shared.lend()
    with pytest.raises(VddkLostError):
        read(second)
    assert [reader.closings for reader in host.readers] == [1, 0]
    assert read(third) == 512


def test_what_cannot_be_opened_at_all_is_no_passing_fault() -> None:
    host = Host()
    host.is_away = True
    with pytest.raises(NbdkitError):
        host.shared.lend()


def test_what_was_lost_may_be_away_for_a_while() -> None:
    """The sync asks again for as long as its patience says."""
    host = Host()
    disk = host.shared.lend()
    host.readers[0].is_lost = host.is_away = True
    with pytest.raises(VddkLostError):
        read(disk)
    with pytest.raises(VddkLostError, match="cannot open the disk"):
        host.shared.lend()
    host.is_away = False
    assert read(host.shared.lend()) == 512
