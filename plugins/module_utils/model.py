# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What several rooms must say alike. PRIVATE to the collection. Bottom layer: imports nothing of ours.

Preflight and preparation judge a guest by the same rules: what the one lets in, the other must be able
to prepare.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Mapping, Tuple

# By os-release's ID: the releases whose tools were tried, or are the same in what is used of them.
PREPARED_RELEASES: Mapping[str, Tuple[str, ...]] = MappingProxyType(
    {
        "debian": ("11", "12", "13"),
        "ubuntu": ("18.04", "20.04", "22.04", "24.04"),
        "rhel": ("7", "8", "9", "10"),
        "centos": ("7", "8", "9", "10"),
        "rocky": ("8", "9", "10"),
        "almalinux": ("8", "9", "10"),
        "ol": ("7", "8", "9", "10"),
        "fedora": ("40", "41", "42"),
        "sles": ("12", "15"),
        "sles_sap": ("12", "15"),
        "opensuse-leap": ("15",),
    }
)
PREPARED_ROOTS = ("btrfs", "ext2", "ext3", "ext4", "xfs")


def is_prepared_release(identity: str, version: str) -> bool:
    """Return whether a guest of this distribution (os-release's ID and VERSION_ID) can be prepared.

    A minor release (`9.4`, SUSE's service pack `15.5`) goes by its major one. Of Ubuntu `22.10` is another
    release than `22.04`.
    """
    known = PREPARED_RELEASES.get(identity, ())
    return version in known or version.split(".", maxsplit=1)[0] in known


def describe_prepared_releases() -> str:
    """Return the guests that can be prepared, for a message: `debian 11, 12, 13`."""
    return "; ".join(
        f"{identity} {', '.join(versions)}" for identity, versions in PREPARED_RELEASES.items()
    )
