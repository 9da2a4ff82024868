# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks to copy, made of what real Debian packages unpack to. Kept in the cache; made once.

dense    the packages' files one after the other, no page of zeros
thick    the same, but every second mebibyte is zeros
changed  dense with 1 % of its bytes changed, by scattered writes of 4 KiB to 1 MiB
"""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.settings import cache_directory

from .errors import BenchError
from .measure import run

MIB = 1 << 20
PAGE = 4096
CHANGED = 0.01
CHANGES = (4096, 16 << 10, 64 << 10, 256 << 10, MIB)

# Large packages of several kinds: programs, libraries, a kernel, firmware, text, fonts, documents.
PACKAGES = (
    "linux-image-amd64",
    "linux-image-cloud-amd64",
    "gcc-12",
    "libllvm14",
    "openjdk-17-jre-headless",
    "libreoffice-common",
    "libreoffice-core",
    "python3.11-doc",
    "libicu72",
    "golang-1.19-src",
    "rustc",
    "libstd-rust-dev",
    "clang-14",
    "perl-doc",
    "fonts-noto-cjk",
    "emacs-common",
    "git",
    "qemu-system-x86",
)


@dataclass(frozen=True)
class Images:
    """The disks of one size."""

    dense: Path
    thick: Path
    changed: Path


def make_images(size: int) -> Images:
    """Return the disks of `size` bytes, which are in the cache afterwards."""
    folder = cache_directory() / "bench" / str(size)
    folder.mkdir(parents=True, exist_ok=True)
    images = Images(*(folder / f"{name}.raw" for name in ("dense", "thick", "changed")))
    if not images.dense.exists():
        _write(images.dense, _dense(size))
    if not images.thick.exists():
        _write(images.thick, _thick(images.dense))
    if not images.changed.exists():
        _write(images.changed, _blocks(images.dense))
        change(images.changed, seed=1)
    return images


def change(disk: Path, *, seed: int) -> int:
    """Change about 1 % of the disk's bytes by scattered writes; return how many were written."""
    chance, size, written = random.Random(seed), disk.stat().st_size, 0
    with disk.open("r+b") as stream:
        while written < size * CHANGED:
            length = min(chance.choice(CHANGES), size)
            stream.seek(chance.randrange(0, size - length + 1) // PAGE * PAGE)
            stream.write(chance.randbytes(length))
            written += length
    return written


def _write(path: Path, blocks: Iterator[bytes]) -> None:
    aside = path.with_suffix(".new")
    with aside.open("wb") as stream:
        for block in blocks:
            stream.write(block)
    aside.replace(path)


def _dense(size: int) -> Iterator[bytes]:
    left = size
    with tempfile.TemporaryDirectory(prefix="ferry-bench-") as folder:
        for name in PACKAGES:
            for page in _pages(Path(folder), name):
                yield page[:left]
                left -= min(left, PAGE)
                if not left:
                    return
    raise BenchError(f"the packages fill no {size} bytes; {left} are missing")


def _pages(folder: Path, name: str) -> Iterator[bytes]:
    """Yield the pages of what the package unpacks to, without those of zeros."""
    package = _newest(name)
    run(["sh", "-c", f"cd {folder} && apt-get download -qq {package}"])
    (archive,) = folder.glob(f"{package}_*.deb")
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while len(page := process.stdout.read(PAGE)) == PAGE:
            if page.count(0) < PAGE:
                yield page
        process.stdout.close()
    archive.unlink()


def _newest(name: str) -> str:
    """Return the package itself, or the one that a package without content depends on."""
    if not name.startswith("linux-image"):
        return name
    shown = run(["apt-cache", "depends", name])
    return next(line.split()[1] for line in shown.splitlines() if "Depends: linux-image" in line)


def _thick(dense: Path) -> Iterator[bytes]:
    for number, block in enumerate(_blocks(dense)):
        yield bytes(len(block)) if number % 2 else block


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(MIB):
            yield block
