# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plugin of nbdkit that takes the parameters of its VDDK plugin, and serves local raw images.

    nbdkit python tests/support/nbdkit_vddk_standin.py libdir=FOLDER server=... file="[store] vm/vm.vmdk"

It shows that Ferry names and hides the right things, and lives and ends with its disk. It shows nothing
about VDDK. What stands for VMware's library is a folder (`libdir`):

    images.json       {"password": "...", "thumbprint": "AA:...", "images": {"snapshot-1|[store] vm/vm.vmdk": "/raw"}}
    arguments.json    written: the parameters as they came, and the password's SHA-256
    reads             written: a line "offset length" for each read
    broken            while it is there, reads fail
"""

# nbdkit's Python has its own `open` of a plugin: the function below.
import builtins
import hashlib
import json
import os
from typing import Any

import nbdkit

API_VERSION = 2

REMOTE = ("server", "user", "password", "thumbprint", "vm")
KNOWN = {
    *REMOTE,
    "file",
    "libdir",
    "snapshot",
    "transports",
    "compression",
    "cookie",
    "nfchostport",
}
GRANULE = 65536

given: dict[str, str] = {}
secret: list[str] = []


def config(key: str, value: str) -> None:
    """Take one parameter."""
    if key not in KNOWN:
        raise ValueError(f"unknown parameter: {key}")
    if key == "vm" and not value.startswith("moref="):
        raise ValueError("vm is not moref=...")
    if key == "password":
        secret.append(_read_password(value))
    given[key] = value


def config_complete() -> None:
    """Refuse what the real one refuses, and note what came."""
    missing = [key for key in (*REMOTE, "file") if not given.get(key)]
    if missing:
        raise ValueError(f"remote connection requested, missing parameter: {missing[0]}")
    digest = hashlib.sha256(secret[0].encode()).hexdigest()
    with builtins.open(_place("arguments.json"), "w") as stream:
        json.dump({**given, "password_sha256": digest}, stream)


def dump_plugin() -> None:
    """Print what the real one prints; the version only where there is a library."""
    print("vddk_default_libdir=/usr/lib/vmware-vix-disklib")
    if os.path.exists(_place("images.json")):
        print("vddk_library_version=8")


def thread_model() -> int:
    """One request at a time."""
    return int(nbdkit.THREAD_MODEL_SERIALIZE_ALL_REQUESTS)


def open(readonly: bool) -> Any:  # noqa: A001 - the name that nbdkit calls.
    """Log in, and open the image that stands for this file in this snapshot."""
    with builtins.open(_place("images.json")) as stream:
        known = json.load(stream)
    if not readonly or given["thumbprint"] != known["thumbprint"]:
        raise ValueError("VixDiskLib_ConnectEx: The host certificate chain is not complete")
    if secret[0] != known["password"]:
        # More than VDDK says, for a test that it is hidden.
        raise ValueError(f"VixDiskLib_ConnectEx: Incorrect user name or password ({secret[0]})")
    image = known["images"].get(f"{given.get('snapshot', '')}|{given['file']}")
    if image is None:
        raise ValueError(f"VixDiskLib_Open: {given['file']}: A file was not found")
    return builtins.open(image, "rb")


def close(image: Any) -> None:
    """Let go of the image."""
    image.close()


def get_size(image: Any) -> int:
    """Return the image's length in bytes."""
    return os.fstat(image.fileno()).st_size


def pread(image: Any, buffer: Any, offset: int, flags: int) -> None:
    """Fill the buffer, and note it."""
    if os.path.exists(_place("broken")):
        raise ValueError("VixDiskLib_Read: The server refused connection")
    if offset % 512 or len(buffer) % 512:
        raise ValueError("read is not aligned to sectors")
    with builtins.open(_place("reads"), "a") as stream:
        stream.write(f"{offset} {len(buffer)}\n")
    buffer[:] = os.pread(image.fileno(), len(buffer), offset)


def can_extents(image: Any) -> bool:
    """Tell holes."""
    return True


def extents(image: Any, count: int, offset: int, flags: int) -> list[tuple[int, int, int]]:
    """Return which granules are holes that read as zeros, as VDDK's allocated blocks tell."""
    hole = nbdkit.EXTENT_HOLE | nbdkit.EXTENT_ZERO
    found = []
    for start in range(offset, offset + count, GRANULE):
        length = min(GRANULE, offset + count - start)
        has_data = any(os.pread(image.fileno(), length, start))
        found.append((start, length, 0 if has_data else hole))
    return found


def _place(name: str) -> str:
    return os.path.join(given["libdir"], name)


def _read_password(value: str) -> str:
    if value.startswith("+"):
        with builtins.open(value[1:]) as stream:
            return stream.read().rstrip("\n")
    if value.startswith("-") and value[1:].isdigit():
        with os.fdopen(int(value[1:])) as stream:
            return stream.read().rstrip("\n")
    return value
