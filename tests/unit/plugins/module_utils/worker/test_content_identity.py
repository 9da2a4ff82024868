# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system's own tools make is known by the id that they gave it."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.worker.content_identity import (
    HEAD_LENGTH,
    identify_content,
)

UUID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


def word(kind: str, identity: str) -> str:
    """The word for an id in hexadecimal digits."""
    return f"{kind}-{hashlib.sha256(bytes.fromhex(identity)).hexdigest()[:12]}"


def head_of(disk: Path, *command: str, given: str | None = None) -> bytes:
    with disk.open("wb") as file:
        file.truncate(512 << 20)
    subprocess.run([*command, disk], check=True, capture_output=True, input=given, text=True)
    with disk.open("rb") as file:
        return file.read(HEAD_LENGTH)


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("ext", ("mkfs.ext4", "-q", "-U", UUID)),
        ("xfs", ("mkfs.xfs", "-q", "-m", f"uuid={UUID}")),
        ("swap", ("mkswap", "-U", UUID)),
    ],
)
def test_a_file_system_is_known_by_its_uuid(
    tmp_path: Path, kind: str, command: tuple[str, ...]
) -> None:
    head = head_of(tmp_path / "disk", *command)
    assert identify_content(head) == word(kind, UUID.replace("-", ""))


def test_an_mbr_is_known_by_its_id(tmp_path: Path) -> None:
    head = head_of(tmp_path / "disk", "sfdisk", "-q", given="label: dos\nlabel-id: 0x12345678\n,\n")
    assert identify_content(head) == word("mbr", "78563412")


def test_a_gpt_is_known_by_its_guid_and_not_by_its_protective_mbr(tmp_path: Path) -> None:
    head = head_of(tmp_path / "disk", "sfdisk", "-q", given=f"label: gpt\nlabel-id: {UUID}\n,\n")
    # The first three groups of a GUID are little-endian (UEFI 2.10, appendix A).
    assert identify_content(head) == word("gpt", "ba284e1ba12fd211883f0016d3cca427")


def test_a_blank_disk_has_no_identity() -> None:
    assert identify_content(bytes(HEAD_LENGTH)) == ""
    assert identify_content(b"") == ""
