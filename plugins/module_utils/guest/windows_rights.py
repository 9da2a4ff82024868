# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The rights of what is put into a Windows guest.

ntfs-3g gives new files a descriptor by which everyone may write them, and its option `inherit` did not
change that (2022.10.3, tried); what the first boot runs as LocalSystem must be writable for
administrators only. Layout: Microsoft, "Windows Data Types" (MS-DTYP) 2.4, self-relative descriptor.
"""

from __future__ import annotations

import struct

_SYSTEM = (5, 18)
_ADMINISTRATORS = (5, 32, 544)
_USERS = (5, 32, 545)
_ALL, _READ_AND_EXECUTE = 0x001F01FF, 0x001200A9
# SE_SELF_RELATIVE, SE_DACL_PRESENT, SE_DACL_PROTECTED: nothing is inherited from the folder above.
_CONTROL = 0x8000 | 0x0004 | 0x1000
# OBJECT_INHERIT_ACE, CONTAINER_INHERIT_ACE: what is made below later has the same rights.
_INHERITED = 3


def sid(authority: int, *parts: int) -> bytes:
    """Return a security identifier's bytes, S-1-<authority>-<parts>."""
    head = struct.pack("<BB", 1, len(parts)) + authority.to_bytes(6, "big")
    return head + struct.pack(f"<{len(parts)}I", *parts)


def allow(mask: int, who: bytes) -> bytes:
    """Return an entry that allows `mask`, for what it stands on and all below."""
    return struct.pack("<BBHI", 0, _INHERITED, 8 + len(who), mask) + who


def _descriptor(*others: bytes) -> bytes:
    entries = [allow(_ALL, sid(*_SYSTEM)), allow(_ALL, sid(*_ADMINISTRATORS)), *others]
    content = b"".join(entries)
    rights = struct.pack("<BBHHH", 2, 0, 8 + len(content), len(entries), 0) + content
    owner = sid(*_ADMINISTRATORS)
    places = (20, 20 + len(owner), 0, 20 + 2 * len(owner))
    return struct.pack("<BBHIIII", 1, 0, _CONTROL, *places) + owner * 2 + rights


# All for the system and administrators, reading and running for users, nothing for anybody else.
OUR_RIGHTS = _descriptor(allow(_READ_AND_EXECUTE, sid(*_USERS)))
# All for the system and administrators, nothing for anybody else.
PRIVATE_RIGHTS = _descriptor()
