# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Encoding of payloads. PRIVATE to the collection. Python 3.6.

Digests are of plain bytes, made before encoding and checked after decoding: they guard the codecs too.
What a peer sends never makes more than the announced length in memory. When encoding pays is decided in
`compressor.py`. The standard library alone has zlib; zstd and a faster zlib join where they are installed.
"""

import zlib
from typing import Callable, Dict, NamedTuple, Tuple, Union

from .accelerators import accelerator
from .errors import DamagedDataError
from .messages import Codec

# Debian's python3-zstandard, on the worker; on a source where it happens to be.
zstandard = accelerator("zstandard")

# Intel's deflate makes and reads zlib's format in a fraction of the time.
deflate = accelerator("isal.isal_zlib") or zlib

Bytes = Union[bytes, memoryview]


class Encoded(NamedTuple):
    """A payload as it goes to the wire."""

    codec: Codec
    payload: Bytes


class _Coder(NamedTuple):
    encode: Callable[[memoryview], Bytes]
    # From the payload and the announced length to the plain bytes; raises ValueError for damaged ones.
    decode: Callable[[memoryview, int], Bytes]


def is_quick(codec: Codec) -> bool:
    """Tell whether this end packs faster than a link of 1 Gbit/s carries; the standard library's zlib does not."""
    return codec is Codec.ZSTD or (codec is Codec.ZLIB and deflate is not zlib)


def encode(codec: Codec, data: memoryview) -> Encoded:
    """Return `data` encoded; it may have grown."""
    return Encoded(codec, _CODERS[codec].encode(data))


def decode(codec: Codec, payload: memoryview, length: int) -> Bytes:
    """Return the `length` plain bytes. Raises DamagedDataError; never makes more than `length`."""
    try:
        plain: Bytes = _CODERS[codec].decode(payload, length)
    except ValueError as error:
        raise DamagedDataError("A payload cannot be decoded: {}.".format(error)) from error
    if len(plain) != length:
        raise DamagedDataError(
            "A payload decoded to {} bytes instead of {}.".format(len(plain), length)
        )
    return plain


def _inflate(payload: memoryview, length: int) -> bytes:
    """One byte more than `length` is enough to refuse what is longer."""
    inflater = deflate.decompressobj()
    try:
        plain: bytes = inflater.decompress(payload, length + 1)
    except deflate.error as error:
        raise ValueError(error) from error
    if len(plain) > length:
        raise ValueError("it makes more than {} bytes".format(length))
    if not inflater.eof or inflater.unused_data:
        raise ValueError("it does not end where its encoding does")
    return plain


def _unpack_zstd(payload: memoryview, length: int) -> bytes:
    """The length that a frame announces is what would be allocated: it must be ours."""
    try:
        announced = zstandard.get_frame_parameters(payload).content_size
        if announced != length:
            raise ValueError("it announces {} bytes instead of {}".format(announced, length))
        decoder = zstandard.ZstdDecompressor()
        whole: bytes = decoder.decompress(payload, max_output_size=length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ValueError(error) from error
    return whole


def _pack_zstd(data: memoryview) -> bytes:
    packed: bytes = zstandard.ZstdCompressor(level=1).compress(data)
    return packed


_CODERS: Dict[Codec, _Coder] = {
    Codec.STORED: _Coder(lambda data: data, lambda payload, _length: payload),
    Codec.ZLIB: _Coder(lambda data: bytes(deflate.compress(data, 1)), _inflate),
    **({Codec.ZSTD: _Coder(_pack_zstd, _unpack_zstd)} if zstandard else {}),
}

# What this end can encode and decode.
AVAILABLE: Tuple[Codec, ...] = tuple(_CODERS)
