# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which block devices stand on which, as /sys/block tells: what was built on an overlay is found by it.

    vg0-root   md0            a logical volume over two overlays, a mirror over two others
     |    \\     |  \\
    ov-0p2 ov-1p1 ...         whatever made them, they stand on overlays, and are removed before these

Names here are the kernel's (`dm-3`, `md0`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Dict, Iterable, List, Mapping, Tuple

_SYS = "/sys/block"


@dataclass(frozen=True)
class Block:
    """A block device: the kernel's name, device-mapper's name (else empty), and what it stands on."""

    name: str
    mapped_name: str
    number: str
    below: Tuple[str, ...]


def read_blocks(sys_block: str = _SYS) -> Dict[str, Block]:
    """Return the device-mapper devices and arrays that there are now, by the kernel's name."""
    names = [name for name in os.listdir(sys_block) if name.startswith(("dm-", "md"))]
    return {name: _read_block(sys_block, name) for name in names}


def _read_block(sys_block: str, name: str) -> Block:
    folder = os.path.join(sys_block, name)
    return Block(
        name=name,
        mapped_name=_read(os.path.join(folder, "dm/name")),
        number=_read(os.path.join(folder, "dev")),
        below=tuple(sorted(os.listdir(os.path.join(folder, "slaves")))),
    )


def standing_on(names: Iterable[str], blocks: Mapping[str, Block]) -> List[Block]:
    """Return the named blocks and all that stand on them, uppermost first."""
    wanted = set(names)
    grown = True
    while grown:
        more = {b.name for b in blocks.values() if not wanted.isdisjoint(b.below)} - wanted
        wanted |= more
        grown = bool(more)
    chosen = [blocks[name] for name in wanted if name in blocks]
    return sorted(chosen, key=lambda block: (-_height(block.name, blocks), block.name))


def feet(name: str, blocks: Mapping[str, Block]) -> List[str]:
    """Return the lowest blocks that `name` stands on, itself if it stands on none of `blocks`."""
    below = [each for each in blocks[name].below if each in blocks] if name in blocks else []
    found = {foot for each in below for foot in feet(each, blocks)}
    return sorted(found) or [name]


def _height(name: str, blocks: Mapping[str, Block]) -> int:
    below = blocks[name].below if name in blocks else ()
    return 1 + max((_height(each, blocks) for each in below), default=0)


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""
