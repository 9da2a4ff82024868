# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The names inside an initramfs image, read without unpacking it.

An image is one or more cpio archives, one after the other, each plain or compressed as a whole
(the kernel's Documentation/driver-api/early-userspace/buffer-format.rst):

    [ microcode, plain ][ zeros ][ everything else, compressed ]

gzip, xz and bzip2 are read by Python itself; for the others the guest has the program, because its
own tool made the image with it.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from typing import IO, Callable, FrozenSet, Iterable, Iterator, Optional, Protocol, Tuple

from .errors import PreparationError


class Readable(Protocol):
    """Bytes that come once, in order."""

    def read(self, size: int, /) -> bytes:
        """Return that many bytes, fewer only at the end."""


# Given the program's name and the image, positioned at the compressed part: the plain part.
Decompressor = Callable[[str, IO[bytes]], Readable]

_IN_PYTHON: Tuple[Tuple[bytes, Callable[[IO[bytes]], Readable]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
    (b"\x5d\x00\x00", lzma.LZMAFile),
    (b"BZh", bz2.BZ2File),
)
_BY_PROGRAM = (
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x89LZO", "lzop"),
)
_CPIO_MAGIC = (b"070701", b"070702")
_HEADER = 110
_TRAILER = "TRAILER!!!"
_PIECE = 1 << 20
_DRIVER = re.compile(r"(?:^|/)([^/]+)\.ko(?:\.(?:gz|xz|zst))?$")


def drivers_among(paths: Iterable[str], wanted: Iterable[str]) -> FrozenSet[str]:
    """Return which of the `wanted` kernel modules are files among `paths`."""
    found = (_DRIVER.search(path) for path in paths)
    present = {match.group(1).replace("-", "_") for match in found if match}
    return frozenset(wanted) & present


def read_names(image: IO[bytes], decompress: Decompressor) -> Iterator[str]:
    """Yield the path of each file in the image, as it is written there.

    Raises PreparationError for something that is no image.
    """
    while True:
        start = _skip_zeros(image)
        if start is None:
            return
        image.seek(start)
        magic = image.read(6)
        image.seek(start)
        if magic in _CPIO_MAGIC:
            yield from _archive_names(image)
            continue
        plain = _open_compressed(image, magic, decompress)
        while _begins_archive(plain):
            yield from _archive_names(plain, header_read=6)
        return


def _open_compressed(image: IO[bytes], magic: bytes, decompress: Decompressor) -> Readable:
    for begin, opener in _IN_PYTHON:
        if magic.startswith(begin):
            return opener(image)
    for begin, program in _BY_PROGRAM:
        if magic.startswith(begin):
            return decompress(program, image)
    raise PreparationError(f"The initramfs has an unknown format: it begins with {magic.hex()}.")


def _skip_zeros(image: IO[bytes]) -> Optional[int]:
    """Return the position of the next byte that is not zero, None at the end."""
    while True:
        position = image.tell()
        piece = image.read(4096)
        if not piece:
            return None
        rest = piece.lstrip(b"\x00")
        if rest:
            return position + len(piece) - len(rest)


def _begins_archive(plain: Readable) -> bool:
    """Read the next archive's magic past the zeros before it; False at the end."""
    while True:
        word = plain.read(4)
        if word == b"" or word.strip(b"\x00"):
            return word + plain.read(2) in _CPIO_MAGIC


def _archive_names(archive: Readable, *, header_read: int = 0) -> Iterator[str]:
    """Yield the names of one archive; afterwards `archive` stands behind its trailer.

    `header_read` bytes of the first header were read already.
    """
    while True:
        header = b"070701"[:header_read] + _read_exactly(archive, _HEADER - header_read)
        header_read = 0
        if not header.startswith(_CPIO_MAGIC):
            raise PreparationError(f"The initramfs is damaged: {header[:6]!r} where a file begins.")
        size, name_size = int(header[54:62], 16), int(header[94:102], 16)
        # Header with name, and content, each fill up to a multiple of four bytes.
        name = _read_exactly(archive, name_size + -(_HEADER + name_size) % 4)[: name_size - 1]
        _skip(archive, size + -size % 4)
        text = name.decode("utf-8", "surrogateescape")
        if text == _TRAILER:
            return
        yield text


def _read_exactly(archive: Readable, length: int) -> bytes:
    data = archive.read(length)
    if len(data) != length:
        raise PreparationError("The initramfs is damaged: it ends in the middle of a file.")
    return data


def _skip(archive: Readable, length: int) -> None:
    while length > 0:
        length -= len(_read_exactly(archive, min(length, _PIECE)))
