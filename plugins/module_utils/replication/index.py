# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The index: what a disk's granules were in its last verified generation. PRIVATE. Python 3.6.

One file per disk, on the source worker:

    head (4 KiB)                                        digests of all granules, 16 bytes each
    MAGIC, length of the JSON, JSON of `Head`, zeros    256 KiB for each GiB of disk

Digests and change id are one file, which appears whole or not at all: it is written aside, flushed and renamed
when both ends agreed on the root. The head holds that root, and it follows from the digests: a file that is torn,
cut or changed does not prove itself when it is opened. Whatever is wrong with an index, the sync reads the disk.
"""

import contextlib
import json
import os
import struct
import threading
from typing import Dict, Iterator, NamedTuple, Optional, Tuple

from ..errors import RestartSyncError
from .digests import Algorithm, Hasher
from .errors import StoppedError
from .geometry import Span, granule_count, split
from .headway import Headway
from .ledger import Ledger
from .limits import CHUNK, DIGEST_SIZE, GRANULE

MAGIC = b"ferry index 1\n"
HEAD_SIZE = 4096

_LENGTH = struct.Struct("!I")

# What is read at a time when an index proves itself: 1 MiB of digests are 4 GiB of disk.
_PIECE = 4096 * CHUNK

_PER_CHUNK = CHUNK // GRANULE


class DoubtError(Exception):
    """An index that cannot be believed, and why. The sync reads the disk instead."""


class Head(NamedTuple):
    """What an index is about. `identity` names the disk: its machine, its key there, its backing."""

    identity: Dict[str, str]
    size: int
    algorithm: str
    change_id: str
    generation: int
    root: str


class GranuleFile:
    """The digests of a disk's granules in a file. Threads may share it.

    Whoever goes through all of them counts what was read in `headway`, and ends with its StoppedError.
    """

    def __init__(self, descriptor: int, size: int, headway: Optional[Headway] = None) -> None:
        self.size = size
        self._headway = headway or Headway()
        self._descriptor = descriptor
        self._is_open = True
        self._lock = threading.Lock()

    def granules(self, span: Span) -> Tuple[bytes, ...]:
        """Return the digests of the granules of `span`, which begins on a granule's border.

        Raises RestartSyncError once it is closed.
        """
        length = granule_count(span.length) * DIGEST_SIZE
        with self._use() as descriptor:
            os.lseek(descriptor, _place(span.start), os.SEEK_SET)
            digests = _read_all(descriptor, length)
        return tuple(digests[at : at + DIGEST_SIZE] for at in range(0, length, DIGEST_SIZE))

    def chunks(self) -> Iterator[Tuple[int, Tuple[bytes, ...]]]:
        """Yield all chunks, rising, each with the digests of its granules."""
        for piece in split(Span(0, self.size), _PIECE):
            granules = self.granules(piece)
            self._headway.step(len(granules) * DIGEST_SIZE)
            for first in range(0, len(granules), _PER_CHUNK):
                number = (piece.start // GRANULE + first) // _PER_CHUNK
                yield number, granules[first : first + _PER_CHUNK]

    def root(self, hasher: Hasher) -> bytes:
        """Return the root that the digests make."""
        ledger = Ledger(self.size, hasher)
        for chunk, granules in self.chunks():
            ledger.note_granules(chunk, granules)
        return ledger.root()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._is_open = False
            os.close(self._descriptor)

    @contextlib.contextmanager
    def _use(self) -> Iterator[int]:
        """Lend the descriptor. Once it is closed its number may be another file's."""
        with self._lock:
            if not self._is_open:
                raise RestartSyncError("A newer sync of this disk has begun.")
            yield self._descriptor


class Index(GranuleFile):
    """An index that has proven itself."""

    def __init__(self, descriptor: int, head: Head, headway: Optional[Headway] = None) -> None:
        super().__init__(descriptor, head.size, headway)
        self.head = head


def open_index(path: str, expected: Head, headway: Optional[Headway] = None) -> Index:
    """Return the index of the disk that `expected` describes, as of its change id.

    Generation and root are the file's to tell. Raises DoubtError for any other disk, size, digest or change id,
    and for a file that is missing, torn or damaged; StoppedError as `headway` does.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise DoubtError("it cannot be opened: {}".format(error.strerror)) from error
    try:
        index = Index(descriptor, _read_head(descriptor), headway)
        _compare(index.head, expected)
        _prove(index, os.fstat(descriptor).st_size)
    except (DoubtError, OSError) as error:
        os.close(descriptor)
        raise DoubtError(str(error)) from error
    except StoppedError:
        os.close(descriptor)
        raise
    return index


def known_head(path: str) -> Optional[Head]:
    """Return what an index says that it is about; None where none can be read. Its digests may be torn."""
    try:
        with open(path, "rb") as stream:
            return _read_head(stream.fileno())
    except (DoubtError, OSError):
        return None


def _read_head(descriptor: int) -> Head:
    raw = _read_all(descriptor, HEAD_SIZE)
    if not raw.startswith(MAGIC):
        raise DoubtError("it is no index")
    start = len(MAGIC) + _LENGTH.size
    (length,) = _LENGTH.unpack(raw[len(MAGIC) : start])
    try:
        return Head(**json.loads(raw[start : start + length].decode()))
    except (ValueError, TypeError) as error:
        raise DoubtError("its head makes no sense: {}".format(error)) from error


def _compare(head: Head, expected: Head) -> None:
    for name in ("identity", "size", "algorithm", "change_id"):
        has, wanted = getattr(head, name), getattr(expected, name)
        if has != wanted:
            raise DoubtError("it has {} {!r}, not {!r}".format(name, has, wanted))


def _prove(index: Index, length: int) -> None:
    if length != _end(index.size):
        raise DoubtError("its file is {} bytes long, not {}".format(length, _end(index.size)))
    hasher = Hasher(Algorithm[index.head.algorithm.upper()])
    if index.root(hasher).hex() != index.head.root:
        raise DoubtError("its digests do not make its root")


class IndexWriter(GranuleFile):
    """The next index of a disk, as a sync fills it: on storage, not in memory. Threads may share it."""

    def __init__(self, path: str, size: int, headway: Optional[Headway] = None) -> None:
        """Begin a file beside `path`, in place of one that a killed sync left. Raises OSError."""
        self._path = path
        self._aside = path + ".new"
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        super().__init__(os.open(self._aside, flags, 0o600), size, headway)
        os.ftruncate(self._descriptor, _end(size))

    def note(self, chunk: int, granules: Tuple[bytes, ...]) -> None:
        """Keep the digests of a chunk's granules, in place of earlier ones."""
        with self._use() as descriptor:
            os.pwrite(descriptor, b"".join(granules), _place(chunk * CHUNK))

    def finish(self, head: Head, hasher: Hasher) -> None:
        """Put this index in the place of the last one, durably.

        Raises DoubtError if its digests do not make the root of `head`; then the last one stays.
        """
        if self.root(hasher).hex() != head.root:
            raise DoubtError("what was noted does not make the root that was agreed on")
        text = json.dumps(head._asdict()).encode()
        if len(text) > HEAD_SIZE - len(MAGIC) - _LENGTH.size:
            raise DoubtError("its head would be {} bytes long".format(len(text)))
        with self._use() as descriptor:
            os.pwrite(descriptor, MAGIC + _LENGTH.pack(len(text)) + text, 0)
            os.fsync(descriptor)
        os.rename(self._aside, self._path)
        flush_folder(self._path)

    def close(self) -> None:
        """Let go of the file; if it was not finished it is gone."""
        super().close()
        drop_index(self._aside)


def flush_folder(path: str) -> None:
    """Make durable that the file at `path` was renamed or removed."""
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def index_path(directory: str, migration: str, disk: str) -> str:
    """Return where a source worker keeps the index of a migration's disk."""
    return os.path.join(directory, migration, disk + ".index")


def drop_index(path: str) -> None:
    """Have no index there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _place(start: int) -> int:
    return HEAD_SIZE + start // GRANULE * DIGEST_SIZE


def _end(size: int) -> int:
    return HEAD_SIZE + granule_count(size) * DIGEST_SIZE


def _read_all(descriptor: int, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = os.read(descriptor, length - len(data))
        if not piece:
            raise DoubtError("its file ends too early")
        data += piece
    return data
