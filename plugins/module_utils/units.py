# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Units of size and time, and how they are shown. PRIVATE to the collection.

Bottom layer: imports nothing. Inside Ferry sizes are bytes and times are seconds; these names are
for constants, these functions for people. Python 3.6: the sender carries this file.
"""

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB


def up_to_gib(size: int) -> int:
    """Return the bytes of the fewest whole GiB that hold `size` bytes: platforms make volumes of these."""
    return -(-size // GIB) * GIB


def show_size(size: float) -> str:
    """Return `size` bytes for a person, with one decimal: "1.5 GiB"; below 1 KiB "17 B"."""
    for unit, name in ((TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return "{:.1f} {}".format(size / unit, name)
    return "{:d} B".format(int(size))


def show_exact_size(size: int) -> str:
    """Return `size` bytes for an error message, where the last byte counts: "10.0 GiB (10737418240)"."""
    return "{} ({:d})".format(show_size(size), size)


def show_duration(seconds: float) -> str:
    """Return `seconds` for a person: "9 s", "2 min 05 s", "3 h 07 min"."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return "{:d} s".format(whole)
    if whole < 3600:
        return "{:d} min {:02d} s".format(whole // 60, whole % 60)
    return "{:d} h {:02d} min".format(whole // 3600, whole % 3600 // 60)
