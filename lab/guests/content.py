# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data that a source server is there for: a small site on its root disk, business data on the other.

Made from the server's name, so that two servers never hold the same bytes: a volume that ends up with
the wrong one is noticed. Each set has its SHA256SUMS, in the format of sha256sum(1).
"""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

SUMS = "SHA256SUMS"

PAGE_COUNT = 40
# The numbers add up to about 25 MiB: enough for a sync to have work on several connections, little
# enough for sha256sum in an emulated machine (19 MiB/s measured) to be done in two seconds.
ORDER_COUNT = 60_000
LEDGER_COUNT = 60_000
SCAN_COUNT = 12
SCAN_SIZE = 1024 * 1024 + 777
TOWNS = ("Aachen", "Bergen", "Cork", "Delft", "Evora", "Faro", "Ghent", "Husum")


def site_files(server: str) -> dict[str, bytes]:
    """Return the site of the server, file names to contents, with their SHA256SUMS."""
    dice = _dice("site", server)
    files = {f"page-{number:02d}.html": _page(server, number, dice) for number in range(PAGE_COUNT)}
    files["logo.bin"] = dice.randbytes(40_000)
    files["empty.txt"] = b""
    return {**files, SUMS: checksum_list(files)}


def write_business_data(server: str, directory: Path) -> None:
    """The empty directory holds tables, a database and scans of the server, with their SHA256SUMS."""
    dice = _dice("data", server)
    (directory / "scans").mkdir()
    (directory / "orders.csv").write_text("".join(_orders(dice)))
    for number in range(SCAN_COUNT):
        (directory / "scans" / f"scan-{number:02d}.bin").write_bytes(dice.randbytes(SCAN_SIZE))
    _write_ledger(directory / "ledger.sqlite", dice)
    files = {
        str(file.relative_to(directory)): file.read_bytes()
        for file in sorted(directory.rglob("*"))
        if file.is_file()
    }
    (directory / SUMS).write_bytes(checksum_list(files))


def checksum_list(files: Mapping[str, bytes]) -> bytes:
    """Return what `sha256sum FILE...` prints for these files."""
    lines = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    return "".join(lines).encode()


def _dice(purpose: str, server: str) -> random.Random:
    return random.Random(f"{purpose} of {server}")  # noqa: S311 - data to look at, not keys.


def _page(server: str, number: int, dice: random.Random) -> bytes:
    words = " ".join(dice.choices(TOWNS, k=dice.randrange(50, 2000)))
    title = f"{server}, page {number}"
    return f"<!doctype html>\n<title>{title}</title>\n<h1>{title}</h1>\n<p>{words}</p>\n".encode()


def _orders(dice: random.Random) -> Iterator[str]:
    yield "number,day,town,units,cents\n"
    for number in range(ORDER_COUNT):
        day = f"2025-{dice.randrange(1, 13):02d}-{dice.randrange(1, 29):02d}"
        yield f"{number},{day},{dice.choice(TOWNS)},{dice.randrange(1, 500)},{dice.randrange(10**7)}\n"


def _write_ledger(file: Path, dice: random.Random) -> None:
    with closing(sqlite3.connect(file)) as ledger:
        ledger.execute("CREATE TABLE entry (number INTEGER PRIMARY KEY, town TEXT, note TEXT)")
        entries = (
            (number, dice.choice(TOWNS), dice.randbytes(40).hex()) for number in range(LEDGER_COUNT)
        )
        ledger.executemany("INSERT INTO entry VALUES (?, ?, ?)", entries)
        ledger.commit()
