# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The seed: what one migration's worker is told before anybody can talk to it. PRIVATE.

A seed lies at the start of a partition of its own on the worker's disk:

    FERRY-SEED 1 <length> <sha256>\\n     one ASCII line: magic, version, and of the body its
    {                                    length in bytes (decimal) and its digest (hexadecimal)
    "address": "dhcp",
    ...
    }
    zeros to the partition's end

The body is one JSON object, one member a line, so that a shell can read it as well; its strings have no
escapes but the line breaks of the host key. Members, all of them always: `migration_id`, `authorized_key` (the operator's public
key: type and base64), `host_key` (the bootstrap private key, in OpenSSH's format), `address` (`dhcp`, or an address with
its prefix length), `gateway` (an address or empty) and `mtu` (0: the card's own). Header and body are
at most 64 KiB, which is what the worker's initramfs reads. The worker's reader is
roles/worker_image/files/root/usr/lib/ferry/unpack-seed: whoever changes one changes both.

Pure: values in, bytes out.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import InputError

MAGIC = "FERRY-SEED"
VERSION = "1"
MAX_SIZE = 64 * 1024

# A DNS label that also fits into the names made from it ("ferry-creator-<id>").
_MIGRATION_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?")
_KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
# 1280 is the least that IPv6 works with (RFC 8200, section 5); 9216 the most that switches carry.
_MTU = range(1280, 9217)


@dataclass(frozen=True)
class Wishes:
    """What the operator wants of a worker; checked when made, so that a bad value never gets onto a disk.

    Raises InputError, with the value and what would be right.
    """

    migration_id: str
    authorized_key: str
    address: str = "dhcp"
    gateway: str = ""
    mtu: int = 0

    def __post_init__(self) -> None:
        if not _MIGRATION_ID.fullmatch(self.migration_id):
            raise InputError(
                f"The migration id {self.migration_id!r} cannot be used.",
                hint="Use at most 50 lower case letters, digits and hyphens; no hyphen at the ends.",
            )
        if normalize_key(self.authorized_key) != self.authorized_key:
            raise InputError("The authorized key has more than its type and base64.")
        _check_network(self.address, self.gateway)
        if self.mtu and self.mtu not in _MTU:
            raise InputError(f"The MTU {self.mtu} is outside {_MTU.start} to {_MTU.stop - 1}.")


@dataclass(frozen=True)
class Seed:
    """A whole seed: the wishes, and the bootstrap host key (private; OpenSSH's PEM)."""

    wishes: Wishes
    host_key: str


def encode_seed(seed: Seed) -> bytes:
    """Return the seed as it lies on the disk, without the zeros. Raises InputError if it is too long."""
    values = {**asdict(seed.wishes), "host_key": seed.host_key}
    body = json.dumps(values, sort_keys=True, indent=0).encode("ascii")
    header = f"{MAGIC} {VERSION} {len(body)} {hashlib.sha256(body).hexdigest()}\n"
    encoded = header.encode("ascii") + body
    if len(encoded) > MAX_SIZE:
        raise InputError(f"The seed would be {len(encoded)} bytes long; {MAX_SIZE} is the limit.")
    return encoded


def decode_seed(raw: bytes) -> Seed:
    """Return the seed at the start of these bytes.

    Raises InputError when there is none, it is of another version, or not whole.
    """
    header, _newline, rest = raw[:MAX_SIZE].partition(b"\n")
    words = header.decode("ascii", "replace").split(" ")
    if words[:2] != [MAGIC, VERSION] or len(words) != 4 or not words[2].isdigit():
        raise InputError("There is no seed of a known version.")
    body = rest[: int(words[2])]
    if hashlib.sha256(body).hexdigest() != words[3]:
        raise InputError("The seed is damaged: its digest does not match.")
    return _from_values(json.loads(body))


def _from_values(values: Any) -> Seed:
    try:
        host_key = values.pop("host_key")
        return Seed(Wishes(**values), host_key)
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"The seed has not the fields of version {VERSION}: {error}.") from error


def normalize_key(line: str) -> str:
    """Return type and base64 of a public key as it stands in a file, without its comment.

    Raises InputError for anything else: options before the key would be obeyed by sshd.
    """
    words = line.strip().split(" ", 2)
    if "\n" in line.strip() or len(words) < 2 or words[0] not in _KEY_TYPES:
        raise InputError(
            "The authorized key is no single SSH public key.",
            hint='Give one line such as "ssh-ed25519 AAAA... comment", without options.',
        )
    try:
        base64.b64decode(words[1], validate=True)
    except binascii.Error as error:
        raise InputError(f"The authorized key's second word is no base64: {error}.") from error
    return " ".join(words[:2])


def _check_network(address: str, gateway: str) -> None:
    if address == "dhcp":
        if gateway:
            raise InputError(
                f"The gateway {gateway} is given, but with DHCP it comes from the server."
            )
        return
    interface = _parse_interface(address)
    if not gateway:
        return
    try:
        parsed = ipaddress.ip_address(gateway)
    except ValueError as error:
        raise InputError(f"The gateway {gateway!r} is no IP address.") from error
    if parsed not in interface.network:
        raise InputError(f"The gateway {gateway} is not in the network of {address}.")


def _parse_interface(address: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    hint = 'Give "dhcp", or an address with its prefix length such as 198.51.100.7/24.'
    if "/" not in address:
        raise InputError(f"The address {address!r} has no prefix length.", hint=hint)
    try:
        return ipaddress.ip_interface(address)
    except ValueError as error:
        raise InputError(f"The address {address!r} cannot be used: {error}.", hint=hint) from error
