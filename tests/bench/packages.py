# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real content for the images: what Debian packages hold, unpacked, without pages of zeros.

Ends of a copy treat text, machine code and already compressed files differently, and nothing made up has
their proportions. The packages come from the host's own apt sources and stay in the cache; newer versions
are not looked for, and the pool's key tells two runs whether they copied the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import IO, Iterable, Iterator

from tests.bench.errors import BenchError

# What a server has on its disk: databases, runtimes, compilers, libraries, documents. 1.2 GiB unpacked,
# enough for a 1 GiB image and its changes; names that do not change within a Debian release.
#
# The first is what a delta writes, and must hold nothing that the others have: rsync finds content wherever
# it lies. (With QEMU's programs, which are much alike, it sent 6.6 MiB for 10.2 MiB of changes.)
PACKAGES = (
    "postgresql-15",
    "gcc-12",
    "git",
    "golang-1.19-go",
    "libboost1.81-dev",
    "libclang-cpp14",
    "libicu72",
    "libllvm14",
    "libreoffice-core",
    "libwebkit2gtk-4.0-37",
    "mariadb-server",
    "mariadb-server-core",
    "openjdk-17-jre-headless",
    "qemu-system-x86",
    "samba-libs",
    "texlive-base",
    "vim-runtime",
)

PAGE = 4096
ZERO_PAGE = bytes(PAGE)
BLOCK = 1 << 20


def make_pool(cache: Path, size: int) -> Path:
    """Return a file of at least `size` bytes of content, made once; its name is its content's key.

    Raises BenchError if the packages hold less.
    """
    packages = fetch_packages(cache / "packages")
    pool = cache / f"pool-{content_key(packages)}-{size}.raw"
    if not pool.exists():
        aside = pool.with_suffix(f".{os.getpid()}")
        try:
            write_pool(without_zero_pages(unpack(packages)), size, aside)
            aside.replace(pool)
        finally:
            aside.unlink(missing_ok=True)
    return pool


def fetch_packages(folder: Path) -> list[Path]:
    """Return the packages' files; what the folder lacks is fetched by apt-get."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in PACKAGES if not list(folder.glob(f"{name}_*.deb"))]
    if missing:
        # Without the option apt warns that its own user may not write into root's cache.
        command = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", *missing]
        done = subprocess.run(command, cwd=folder, check=False)
        if done.returncode:
            raise BenchError(f"apt-get cannot fetch {', '.join(missing)}.", "Try apt-get update.")
    return [max(folder.glob(f"{name}_*.deb")) for name in PACKAGES]


def content_key(packages: Iterable[Path]) -> str:
    """Return a short digest of the packages' bytes."""
    digest = hashlib.sha256()
    for package in packages:
        with package.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:12]


def unpack(packages: Iterable[Path]) -> Iterator[bytes]:
    """Yield the content of all regular files of the packages, in the packages' order.

    The caller may stop when it has enough; dpkg-deb complains then that nobody reads on.
    """
    for package in packages:
        command = ["dpkg-deb", "--fsys-tarfile", str(package)]
        with subprocess.Popen(command, stdout=PIPE, stderr=DEVNULL) as unpacker:
            yield from files_of(unpacker.stdout)


def files_of(stream: IO[bytes] | None) -> Iterator[bytes]:
    """Yield the content of the regular files of a tar archive."""
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            while content and (block := content.read(BLOCK)):
                yield block


def without_zero_pages(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the blocks as one stream cut into pages, without those that are zero.

    A last piece of less than a page is dropped.
    """
    rest = b""
    for block in blocks:
        data = rest + block
        whole = len(data) // PAGE * PAGE
        pages = (data[start : start + PAGE] for start in range(0, whole, PAGE))
        yield b"".join(page for page in pages if page != ZERO_PAGE)
        rest = data[whole:]


def write_pool(blocks: Iterable[bytes], size: int, target: Path) -> None:
    """Write the first `size` bytes of the stream. Raises BenchError if it ends before."""
    left = size
    with target.open("wb") as stream:
        for block in blocks:
            left -= stream.write(block[:left])
            if not left:
                return
    raise BenchError(
        f"The packages hold {(size - left) >> 20} MiB of content, but {size >> 20} MiB are wanted.",
        "Choose a smaller --size, or name more packages in tests/bench/packages.py.",
    )
