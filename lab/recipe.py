# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is built once from files of this checkout and kept: its name is the digest of what makes it.

Whoever changes one of the files gets a new thing, and an old one never pretends to be new.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def recipe_key(recipe: Path) -> str:
    """Return the key of what the files of the directory build: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for file in sorted(each for each in recipe.rglob("*") if _is_recipe(each)):
        name = str(file.relative_to(recipe)).encode()
        content = file.read_bytes()
        digest.update(b"%d %d %s\n" % (len(name), len(content), name) + content)
    return digest.hexdigest()[:16]


@contextmanager
def only_one_builder(directory: Path) -> Iterator[None]:
    """No other process builds in the directory, which exists afterwards."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_recipe(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts
