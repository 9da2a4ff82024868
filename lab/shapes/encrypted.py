# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An encrypted volume (LUKS 2), made without device-mapper: cryptsetup writes the header and tells its own
volume key, and the bytes are enciphered here as dm-crypt would (aes-xts-plain64)."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ..command import run

# Where cryptsetup 2.6 lets the data begin; said to it, so that it stays.
DATA_START = 16 << 20
BLOCK = 4096
# plain64 counts in units of 512 bytes whatever the sector of the encryption.
_SECTORS = BLOCK // 512


def encrypt(image: Path, uuid: str, key: str) -> None:
    """The file, a plain volume, becomes an encrypted one, DATA_START bytes longer."""
    plain = image.read_bytes()
    with image.open("wb") as file:
        file.truncate(DATA_START + len(plain))
    # A derivation of milliseconds: an emulated machine has to do it, and the key is no secret.
    cheap = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
    layout = ("--sector-size", str(BLOCK), "--offset", str(DATA_START // 512), "--uuid", uuid)
    how = ("--batch-mode", "--type", "luks2", "--cipher", "aes-xts-plain64", "--key-size", "512")
    run("cryptsetup", "luksFormat", *how, *cheap, *layout, "--key-file", "-", str(image), given=key)
    with image.open("r+b") as file:
        file.seek(DATA_START)
        file.write(_encipher(plain, _volume_key(image, key)))


def _volume_key(image: Path, key: str) -> bytes:
    dump = ("luksDump", "--batch-mode", "--dump-volume-key", "--key-file", "-", str(image))
    found = re.search(r"MK dump:\s*((?:[0-9a-f]{2}\s+)+)", run("cryptsetup", *dump, given=key))
    if found is None:
        raise ValueError(f"cryptsetup told no volume key of {image}")
    return bytes.fromhex(found.group(1))


def _encipher(plain: bytes, key: bytes) -> bytes:
    algorithm = algorithms.AES(key)
    blocks = []
    for number in range(len(plain) // BLOCK):
        tweak = (number * _SECTORS).to_bytes(16, "little")
        encryptor = Cipher(algorithm, modes.XTS(tweak)).encryptor()
        blocks.append(encryptor.update(plain[number * BLOCK : (number + 1) * BLOCK]))
    return b"".join(blocks)
