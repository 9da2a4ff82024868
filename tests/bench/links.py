# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that only the benchmark has: a loopback, or two network namespaces and a cable of some rate.

Every copy has its link for itself: nobody else's bytes are counted, and no port is taken. The cable's rate
is held by the kernel's token bucket filter at both ends.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack, contextmanager
from typing import Iterator, NamedTuple, Sequence

from tests.bench.errors import BenchError
from tests.bench.naming import is_orphan, own_name

# The link's own network; it exists in its namespaces only.
SOURCE, TARGET = "198.18.0.1", "198.18.0.2"

# The bucket must hold the largest packet that the sender's kernel makes (64 KiB) several times, else it
# cuts them at a cost that real network cards do not have; 20 ms is a switch's buffer.
BUCKET = ("burst", "512kb", "latency", "20ms")

RATES = {"loopback": "", "1gbit": "1gbit", "100mbit": "100mbit"}


class Link(NamedTuple):
    """A network with two ends. Commands of an end begin with its `_entry`."""

    name: str
    address: str  # Of the source, as the target dials it.
    source_entry: Sequence[str]
    target_entry: Sequence[str]
    interface: str  # The source's; it sees all bytes.

    def wire_bytes(self) -> int:
        """Return the bytes that went over the link since it is there, both directions."""
        told = _run(*self.source_entry, "cat", "/proc/net/dev")
        received, sent = read_counters(told, self.interface)
        # What goes out of a loopback comes in again.
        return sent if self.interface == "lo" else sent + received


def read_counters(told: str, interface: str) -> tuple[int, int]:
    """Return bytes received and sent, from the text of /proc/net/dev."""
    for line in told.splitlines():
        name, _unused, counters = line.partition(":")
        if name.strip() == interface:
            fields = counters.split()
            return int(fields[0]), int(fields[8])
    raise BenchError(f"There is no interface {interface} in: {told}")


@contextmanager
def open_link(name: str) -> Iterator[Link]:
    """Lend the link of this name; its namespaces go with it."""
    with ExitStack() as stack:
        if not RATES[name]:
            entry = stack.enter_context(_namespace(f"{name}-both"))
            yield Link(name, "127.0.0.1", entry, entry, "lo")
            return
        source = stack.enter_context(_namespace(f"{name}-source"))
        target = stack.enter_context(_namespace(f"{name}-target"))
        _join(source, target, RATES[name])
        yield Link(name, SOURCE, source, target, "cable")


@contextmanager
def _namespace(label: str) -> Iterator[list[str]]:
    """Make a network namespace; lend the words by which a command enters it."""
    name = own_name(label)
    _run("ip", "netns", "add", name)
    try:
        entry = ["nsenter", f"--net=/run/netns/{name}", "--"]
        _run(*entry, "ip", "link", "set", "lo", "up")
        # Else a connection begins with what an earlier one learned: the order of copies would matter.
        _run(*entry, "sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1")
        yield entry
    finally:
        _run("ip", "netns", "delete", name)


def _join(source: list[str], target: list[str], rate: str) -> None:
    there = target[1].partition("=")[2]
    cable = ["cable", "type", "veth", "peer", "name", "cable", "netns", os.path.basename(there)]
    _run(*source, "ip", "link", "add", *cable)
    for entry, address in ((source, SOURCE), (target, TARGET)):
        _run(*entry, "ip", "address", "add", f"{address}/30", "dev", "cable")
        _run(*entry, "ip", "link", "set", "cable", "up")
        _run(*entry, "tc", "qdisc", "add", "dev", "cable", "root", "tbf", "rate", rate, *BUCKET)


def remove_leftovers() -> None:
    """Remove the namespaces of benchmarks that were killed."""
    for line in _run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        if is_orphan(name):
            _run("ip", "netns", "delete", name)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command)} failed: {done.stderr.strip()}", "Are you root?")
    return done.stdout
