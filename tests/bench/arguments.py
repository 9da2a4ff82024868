# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line may ask for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Sequence

from ansible_collections.ferry.hvm.plugins.module_utils.units import GIB, MIB

from tests.bench.links import RATES

CHECKOUT = Path(__file__).resolve().parents[2]

_UNITS = {"M": MIB, "G": GIB}


def read_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Return what is asked for. Ends the process with a usage text where it cannot be understood."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Ferry's replication beside its peers: time, processor, wire, memory. Needs root.",
    )
    _add_what(parser)
    _add_how_long(parser)
    _add_places(parser)
    found = parser.parse_args(words)
    if found.quick:
        found.size, found.rounds, found.output = 128 * MIB, 1, CHECKOUT / ".build" / "bench"
    return found


def _add_what(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--size", type=size, default=GIB, help="of the images: 256M, 1G (default 1G)")
    add("--links", nargs="+", choices=list(RATES), default=["loopback", "1gbit"])
    add(
        "--images",
        nargs="*",
        choices=["dense", "thick", "delta"],
        default=["dense", "thick", "delta"],
    )
    add(
        "--ways", nargs="+", default=[""], help="only ways whose names begin so: ours nbdcopy rsync"
    )
    add("--sparse", nargs="+", type=size, default=[], help="disks for the growth of cost: 1G 64G")


def _add_how_long(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--rounds", type=int, default=5, help="of all copies; medians of them are told (default 5)")
    add("--minutes", type=float, help="begin no round after so long, whatever --rounds says")
    add("--quick", action="store_true", help="128 MiB, one round, results in .build/bench")
    add("--check", action="store_true", help="exit with 1 if a limit is not held")


def _add_places(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--folder", type=Path, default=Path("/dev/shm"), help="for images and targets (/dev/shm)")
    add("--output", type=Path, default=CHECKOUT / "docs" / "benchmarks")
    add("--name", default="results", help="of the two files in --output (default results)")


def size(text: str) -> int:
    """Return a size in bytes. Raises ValueError, as argparse wants it."""
    number, unit = int(text[:-1]), _UNITS[text[-1]] if text[-1:] in _UNITS else 0
    if number < 1 or not unit:
        raise ValueError(text)
    return number * unit
