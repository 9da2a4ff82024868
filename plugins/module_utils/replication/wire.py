# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The bytes of the frames. PRIVATE to the collection.

    frame    type (1 byte), length of the body (4 bytes), body [, payload of a `Data` frame]

Numbers are big-endian. One table names every frame's type, the bounds of its body and how the body is
written and read; the bounds are checked before a byte of a body is kept. The payload of `Data` is
outside the body, so that it never passes through here (see `connection.py`). Python 3.6.
"""

import struct
from typing import Any, Callable, Dict, NamedTuple, Tuple, Type, Union

from . import messages
from .digests import Algorithm, Offer
from .errors import LocalProtocolError, RemoteProtocolError, VersionError
from .geometry import granule_count
from .limits import (
    CHUNK,
    COMPARE_CHUNKS,
    COMPARE_GRANULES,
    DIGEST_SIZE,
    ERROR_TEXT,
    NAME,
    VERSION,
)
from .messages import Codec, Data, DiskInfo, Error, Frame, Hello, OpenDisk, Order, Root, View

HEADER = struct.Struct("!BI")
MAGIC = b"FERRY"
SYNC_ID_SIZE = 16

# Magic and version stay at the head of `Hello` in all versions to come, so that two ends of different
# versions can name both; so do the type numbers and bodies of `Hello` and `Error`.
_HELLO_HEAD = struct.Struct("!5sH")
_HELLO = struct.Struct("!IIBBB")
_OFFER = struct.Struct("!BI")
_DISK_INFO = struct.Struct("!QB")
_SPAN = struct.Struct("!QQ")
_DATA = struct.Struct("!QIIB")
_ROOT = struct.Struct("!{}sQQQQ".format(DIGEST_SIZE))
_ERROR = struct.Struct("!BHH")
_ALGORITHMS = frozenset(Algorithm)
_CODECS = frozenset(Codec)
_ERROR_KINDS = ("permanent", "input", "transient", "restart_sync")


class _Reader:
    """Takes a body apart from its head; refuses a body that is too short or has something left."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        piece = self._body[self._at : self._at + count]
        if len(piece) < count:
            raise RemoteProtocolError("A frame's body ends too early.")
        self._at += count
        return piece

    def fields(self, layout: struct.Struct) -> Tuple[Any, ...]:
        """Return the next fields of `layout`."""
        return layout.unpack(self.take(layout.size))

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._body) - self._at)

    def digests(self) -> Tuple[bytes, ...]:
        """Return all that is left as digests."""
        count, odd = divmod(len(self._body) - self._at, DIGEST_SIZE)
        if odd:
            raise RemoteProtocolError("A list of digests ends inside of one.")
        return tuple(self.take(DIGEST_SIZE) for _unused in range(count))

    def finish(self) -> None:
        """Refuse what is left."""
        if self._at != len(self._body):
            raise RemoteProtocolError("A frame's body is longer than its content.")


def _pack_hello(hello: Hello) -> bytes:
    sizes = len(hello.digests), len(hello.codecs)
    return b"".join(
        [
            _HELLO_HEAD.pack(MAGIC, hello.version),
            _HELLO.pack(hello.chunk, hello.granule, hello.order, *sizes),
            b"".join(_OFFER.pack(*offer) for offer in hello.digests),
            bytes(hello.codecs),
        ]
    )


def _unpack_hello(reader: _Reader) -> Hello:
    """What this version does not know of the lists is left out: a later peer may offer more."""
    magic, version = reader.fields(_HELLO_HEAD)
    if magic != MAGIC:
        raise RemoteProtocolError("The peer does not speak Ferry's protocol.")
    if version != VERSION:
        raise VersionError(
            "This end speaks version {} of Ferry's protocol, the other end version {}.".format(
                VERSION, version
            ),
            hint="Use sender and worker image of one release of ferry.hvm.",
        )
    chunk, granule, order, digest_count, codec_count = reader.fields(_HELLO)
    offers = [reader.fields(_OFFER) for _unused in range(digest_count)]
    codecs = reader.take(codec_count)
    return Hello(
        version,
        chunk,
        granule,
        Order(order),
        tuple(Offer(Algorithm(number), rate) for number, rate in offers if number in _ALGORITHMS),
        tuple(Codec(number) for number in codecs if number in _CODECS),
    )


def _pack_open(disk: OpenDisk) -> bytes:
    return disk.sync + disk.name.encode()


def _unpack_open(reader: _Reader) -> OpenDisk:
    return OpenDisk(reader.take(SYNC_ID_SIZE), reader.rest().decode())


def _pack_info(info: DiskInfo) -> bytes:
    return _DISK_INFO.pack(*info)


def _unpack_info(reader: _Reader) -> DiskInfo:
    size, view = reader.fields(_DISK_INFO)
    return DiskInfo(size, View(view))


def _pack_data(data: Data) -> bytes:
    fields = data.start, data.length, data.payload_length, data.codec
    return _DATA.pack(*fields) + b"".join(data.digests)


def _unpack_data(reader: _Reader) -> Data:
    start, length, payload_length, codec = reader.fields(_DATA)
    digests = reader.digests()
    if not 0 < payload_length <= length <= CHUNK or len(digests) != granule_count(length):
        raise RemoteProtocolError(
            "Data at {}: {} bytes of payload for {} bytes with {} digests cannot be.".format(
                start, payload_length, length, len(digests)
            )
        )
    return Data(start, length, payload_length, Codec(codec), digests)


def _pack_error(error: Error) -> bytes:
    what, hint = (text.encode()[:ERROR_TEXT] for text in (error.what, error.hint))
    return _ERROR.pack(_ERROR_KINDS.index(error.kind), len(what), len(hint)) + what + hint


def _unpack_error(reader: _Reader) -> Error:
    """A kind of a later version counts as permanent; what is cut inside a letter is shown as it is."""
    number, what, hint = reader.fields(_ERROR)
    texts = [reader.take(length).decode(errors="replace") for length in (what, hint)]
    return Error(dict(enumerate(_ERROR_KINDS)).get(number, "permanent"), *texts)


class Layout(NamedTuple):
    """How one frame lies on the wire: its number, its body's bounds, its writer and its reader."""

    number: int
    frame: Type[Any]
    shortest: int
    longest: int
    pack: Callable[[Any], bytes]
    unpack: Callable[[_Reader], Any]


def _fixed(number: int, frame: Type[Any], layout: struct.Struct) -> Layout:
    """Return the layout of a frame that is its fields, one after the other."""
    return Layout(
        number,
        frame,
        layout.size,
        layout.size,
        lambda value: layout.pack(*value),
        lambda reader: frame(*reader.fields(layout)),
    )


def _digests(number: int, frame: Type[Any], most: int) -> Layout:
    """Return the layout of a span with a list of digests, at least one, at most `most`."""
    return Layout(
        number,
        frame,
        _SPAN.size + DIGEST_SIZE,
        _SPAN.size + most * DIGEST_SIZE,
        lambda value: _SPAN.pack(value.start, value.length) + b"".join(value.digests),
        lambda reader: frame(*reader.fields(_SPAN), digests=reader.digests()),
    )


_EMPTY = struct.Struct("!")
_HEADWAY = struct.Struct("!Q")
_DIGEST = struct.Struct("!{}s".format(DIGEST_SIZE))
_HELLO_LEAST = _HELLO_HEAD.size
_HELLO_MOST = _HELLO_HEAD.size + _HELLO.size + 255 * (_OFFER.size + 1)
_DATA_MOST = _DATA.size + granule_count(CHUNK) * DIGEST_SIZE

LAYOUTS = (
    Layout(1, Hello, _HELLO_LEAST, _HELLO_MOST, _pack_hello, _unpack_hello),
    Layout(2, OpenDisk, SYNC_ID_SIZE + 1, SYNC_ID_SIZE + NAME, _pack_open, _unpack_open),
    Layout(3, DiskInfo, _DISK_INFO.size, _DISK_INFO.size, _pack_info, _unpack_info),
    _digests(4, messages.Compare, COMPARE_CHUNKS),
    _digests(5, messages.CompareGranules, COMPARE_GRANULES),
    _fixed(6, messages.Fetch, _SPAN),
    _fixed(7, messages.Recall, _SPAN),
    _fixed(8, messages.Same, _SPAN),
    _fixed(9, messages.Differ, _SPAN),
    _fixed(10, messages.Zero, _SPAN),
    Layout(11, Data, _DATA.size + DIGEST_SIZE, _DATA_MOST, _pack_data, _unpack_data),
    _digests(12, messages.Recorded, COMPARE_CHUNKS),
    _fixed(13, messages.EndOfDisk, _DIGEST),
    _fixed(14, Root, _ROOT),
    _fixed(15, messages.Alive, _HEADWAY),
    Layout(16, Error, _ERROR.size, _ERROR.size + 2 * ERROR_TEXT, _pack_error, _unpack_error),
    _fixed(17, messages.Goodbye, _EMPTY),
)

_BY_NUMBER: Dict[int, Layout] = {layout.number: layout for layout in LAYOUTS}
_BY_FRAME: Dict[Type[Any], Layout] = {layout.frame: layout for layout in LAYOUTS}


def pack(frame: Frame) -> bytes:
    """Return the frame's bytes, header and body. Raises LocalProtocolError where it breaks a bound."""
    layout = _BY_FRAME[type(frame)]
    body = layout.pack(frame)
    if not layout.shortest <= len(body) <= layout.longest:
        raise LocalProtocolError(
            "A {} of {} bytes is outside the protocol's bounds.".format(
                type(frame).__name__, len(body)
            )
        )
    return HEADER.pack(layout.number, len(body)) + body


def unpack_header(header: Union[bytes, bytearray]) -> Tuple[Layout, int]:
    """Return the frame's layout and the length of its body, which is within the layout's bounds."""
    number, length = HEADER.unpack(header)
    layout = _BY_NUMBER.get(number)
    if layout is None:
        raise RemoteProtocolError("The peer sent a frame of unknown type {}.".format(number))
    if not layout.shortest <= length <= layout.longest:
        raise RemoteProtocolError(
            "The peer announced a {} of {} bytes; at least {}, at most {} are allowed.".format(
                layout.frame.__name__, length, layout.shortest, layout.longest
            )
        )
    return layout, length


def unpack_body(layout: Layout, body: bytes) -> Frame:
    """Return the frame. Raises RemoteProtocolError for a body that no peer of ours would send."""
    reader = _Reader(body)
    try:
        frame: Frame = layout.unpack(reader)
    except ValueError as error:  # A number outside of its enum, a name that is not UTF-8.
        raise RemoteProtocolError(
            "The peer's {} makes no sense: {}.".format(layout.frame.__name__, error)
        ) from error
    reader.finish()
    return frame
