# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Encoding of payloads, and when it pays. PRIVATE to the collection. Python 3.6.

Digests are of plain bytes, made before encoding and checked after decoding: they guard the codecs too.
"""

import time
import zlib
from typing import NamedTuple, Tuple, Union

from .errors import DamagedDataError
from .messages import Codec

# What this end can encode and decode with nothing but Python.
AVAILABLE = (Codec.STORED, Codec.ZLIB)

# More unsent bytes than this in the socket: the link is slower than we are. It is about what a
# connection without congestion holds on its way (64 KiB granules, a few of them).
BACKLOG = 256 * 1024

# A payload that shrinks by less is stored: the other end's work is not worth it.
WORTH = 0.95

# Weight of the newest measurement in the two rates.
_WEIGHT = 0.25

# Blocks sent plainly between two trials of a codec that did not pay.
_PAUSE = 32


class Encoded(NamedTuple):
    """A payload as it goes to the wire."""

    codec: Codec
    payload: Union[bytes, memoryview]


class Compressor:
    """Compresses while the link is the bottleneck and compressing is faster than sending.

    zlib at its fastest makes 30 to 50 MB/s of a processor: on a fast link it is slower than sending
    plain bytes, on a slow link it doubles the rate. So both rates are measured and the faster way is
    taken; a way that lost is tried again now and then. One thread's property.
    """

    def __init__(self, codecs: Tuple[Codec, ...]) -> None:
        self._has_zlib = Codec.ZLIB in codecs
        self._encode_rate = 0.0  # Plain bytes per second; 0: not measured yet.
        self._send_rate = 0.0
        self._pause = 0

    def encode(self, data: memoryview, backlog: int) -> Encoded:
        """Return `data` ready for the wire; `backlog` is what the socket has not sent yet, in bytes."""
        if not self._has_zlib or backlog < BACKLOG or self._is_pausing():
            return Encoded(Codec.STORED, data)
        begin = time.monotonic()
        packed = zlib.compress(data, 1)
        self._encode_rate = _smooth(self._encode_rate, len(data), time.monotonic() - begin)
        pays = len(packed) < len(data) * WORTH
        if not pays or self._encode_rate < self._send_rate:
            self._pause = _PAUSE
        return Encoded(Codec.ZLIB, packed) if pays else Encoded(Codec.STORED, data)

    def sent(self, encoded: Encoded, seconds: float) -> None:
        """Note how long the socket took for a payload."""
        self._send_rate = _smooth(self._send_rate, len(encoded.payload), seconds)

    def _is_pausing(self) -> bool:
        self._pause = max(0, self._pause - 1)
        return self._pause > 0


def decode(codec: Codec, payload: memoryview, length: int) -> Union[bytes, memoryview]:
    """Return the `length` plain bytes. Raises DamagedDataError; never makes more than `length`."""
    if codec is Codec.STORED:
        plain: Union[bytes, memoryview] = payload
    else:
        plain = _inflate(payload, length)
    if len(plain) != length:
        raise DamagedDataError(
            "A payload decoded to {} bytes instead of {}.".format(len(plain), length)
        )
    return plain


def _inflate(payload: memoryview, length: int) -> bytes:
    """Return what the whole payload decodes to; one byte more than `length` is enough to refuse it."""
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(payload, length + 1)
    except zlib.error as error:
        raise DamagedDataError("A payload cannot be decoded: {}.".format(error)) from error
    if len(plain) > length:
        raise DamagedDataError("A payload decodes to more than {} bytes.".format(length))
    if not inflater.eof or inflater.unused_data:
        raise DamagedDataError("A payload does not end where its encoding does.")
    return plain


def _smooth(rate: float, size: int, seconds: float) -> float:
    newest = size / max(seconds, 1e-6)
    return newest if not rate else rate + _WEIGHT * (newest - rate)
