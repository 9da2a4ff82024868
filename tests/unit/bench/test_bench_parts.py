# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark reads from the kernel and from its command line, and whose leftovers it removes."""

from __future__ import annotations

import os

import pytest

from tests.bench.arguments import read_arguments, size
from tests.bench.errors import BenchError
from tests.bench.links import read_counters
from tests.bench.naming import is_orphan, own_name
from tests.bench.ways import listens

DEVICES = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0
 cable:    2000      20    0    0    0     0          0         0    30000     300    0    0    0
"""

SOCKETS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2A39 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0100007F:08AE 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 2
"""

# The largest process id that Linux can give is 2**22.
NO_PROCESS = 1 << 23


def test_the_counters_of_an_interface_are_received_and_sent() -> None:
    assert read_counters(DEVICES, "cable") == (2000, 30000)


def test_an_interface_that_is_not_there_is_named() -> None:
    with pytest.raises(BenchError, match="no interface eth7"):
        read_counters(DEVICES, "eth7")


def test_only_a_listener_counts_as_one() -> None:
    assert listens(SOCKETS, 10809)
    assert not listens(SOCKETS, 2222), "a connection is no listener"
    assert not listens("", 10809)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(f"ferry-bench-{NO_PROCESS}-work", True, id="its process is gone"),
        pytest.param(f"ferry-bench-{os.getpid()}-work", False, id="its process lives"),
        pytest.param(f"ferry-test-{NO_PROCESS}-work", False, id="it is somebody else's"),
        pytest.param("ferry-bench-results", False, id="it has no process"),
    ],
)
def test_only_what_a_dead_benchmark_left_is_removed(name: str, expected: bool) -> None:
    assert is_orphan(name) is expected


def test_what_is_made_now_is_no_leftover() -> None:
    assert not is_orphan(own_name("work"))


@pytest.mark.parametrize(("text", "expected"), [("256M", 256 << 20), ("64G", 64 << 30)])
def test_sizes_are_read_as_people_write_them(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "0G", "1T", "-1G", "G", "12"])
def test_what_is_no_size_ends_with_a_usage_text(text: str) -> None:
    with pytest.raises(SystemExit):
        read_arguments(["--size", text])


def test_a_quick_run_does_not_touch_the_published_results() -> None:
    assert read_arguments(["--quick"]).output.parts[-2:] == (".build", "bench")
