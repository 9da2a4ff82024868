# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""By which id of its own a disk's content can be known again. PRIVATE to the collection.

Pure: the first bytes of a disk in, a word out. Layouts: UEFI 2.10, 5.3.2 (GPT); the PC's MBR; LVM2,
lib/format_text/layout.h; Linux, fs/ext4/ext4.h, fs/xfs/libxfs/xfs_format.h and include/linux/swap.h.
"""

from __future__ import annotations

import hashlib

# As many hexadecimal digits tell apart what one machine has; a tag of the appliance holds a dozen such words.
DIGITS = 12

# The swap header ends a page of 4 KiB, and every other id lies before it but for GPT at 4 KiB sectors.
HEAD_LENGTH = 8192

# Of each kind: its magic, where that is, where the id is and how long. In the order of what encloses what.
_KINDS = (
    ("gpt", b"EFI PART", 512, 568, 16),
    ("gpt", b"EFI PART", 4096, 4152, 16),
    *(("lvm", b"LABELONE", sector * 512, sector * 512 + 32, 32) for sector in range(4)),
    ("xfs", b"XFSB", 0, 32, 16),
    ("ext", b"\x53\xef", 1080, 1128, 16),
    ("swap", b"SWAPSPACE2", 4086, 1036, 16),
    ("mbr", b"\x55\xaa", 510, 440, 4),
)


def identify_content(head: bytes) -> str:
    """Return kind and a digest of the id, such as `gpt-1f2e3c4d5b6a`, of the disk that begins so; "" where it has none.

    A clone has its original's id: one id need not be one disk.
    """
    for kind, magic, magic_at, start, length in _KINDS:
        identity = head[start : start + length]
        if head[magic_at : magic_at + len(magic)] == magic and identity.strip(b"\0"):
            return f"{kind}-{hashlib.sha256(identity).hexdigest()[:DIGITS]}"
    return ""
