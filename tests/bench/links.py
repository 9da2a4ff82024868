# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the two ends are: on the loopback, or in two network namespaces with a link of a known rate."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .measure import run

# Reserved for benchmarks (RFC 2544); each namespace sees only this link.
SOURCE, TARGET = "198.18.250.1", "198.18.250.2"


@dataclass(frozen=True)
class Link:
    """How a command is run at each end, and the address at which each is reached."""

    name: str
    source_address: str
    at_source: tuple[str, ...]
    at_target: tuple[str, ...]
    # The target's interface, on which the bytes are counted.
    interface: str

    def wire_bytes(self) -> int:
        """Bytes that reached the target so far, all headers of TCP and IP counted."""
        table = run([*self.at_target, "cat", "/proc/net/dev"])
        for line in table.splitlines():
            name, _colon, numbers = line.partition(":")
            if name.strip() == self.interface:
                return int(numbers.split()[0])
        return 0


LOOPBACK = Link("loopback", "127.0.0.1", (), (), "lo")


@contextmanager
def link(rate: str) -> Iterator[Link]:
    """Lend a link of `rate` in tc's words (`1gbit`), or the loopback for "loopback"."""
    if rate == "loopback":
        yield LOOPBACK
        return
    names = [f"ferry-bench-{os.getpid()}-{end}" for end in ("source", "target")]
    try:
        _make(names, rate)
        at_source, at_target = (("ip", "netns", "exec", name) for name in names)
        yield Link(rate, SOURCE, at_source, at_target, "bench")
    finally:
        for name in names:
            run(["sh", "-c", f"ip netns del {name} 2>/dev/null || true"])


def _make(names: list[str], rate: str) -> None:
    for name in names:
        run(["ip", "netns", "add", name])
    one, other = names
    pair = ["type", "veth", "peer", "name", "bench", "netns", other]
    run(["ip", "link", "add", "bench", "netns", one, *pair])
    for name, address in zip(names, (SOURCE, TARGET)):
        run(["ip", "-n", name, "addr", "add", f"{address}/30", "dev", "bench"])
        for device in ("lo", "bench"):
            run(["ip", "-n", name, "link", "set", device, "up"])
        shape = ["tbf", "rate", rate, "burst", "1mb", "latency", "20ms"]
        run(["tc", "-n", name, "qdisc", "add", "dev", "bench", "root", *shape])
