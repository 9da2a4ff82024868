# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a seed accepts, and that the worker's own script reads what was written."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.worker.keys import (
    make_key_pair,
    read_key_pair,
)
from ansible_collections.ferry.hvm.plugins.module_utils.worker.seed import (
    MAX_SIZE,
    Seed,
    Wishes,
    decode_seed,
    encode_seed,
    normalize_key,
)

CHECKOUT = Path(__file__).resolve().parents[5]
UNPACK = CHECKOUT / "roles/worker_image/files/root/usr/lib/ferry/unpack-seed"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID21grSPtAdlQQ/ZK+8iw2LTBXxQtEzO6ZSlGX8VE2va"
WISHES = Wishes("web01", KEY)


def wishes(**changes: Any) -> Wishes:
    return dataclasses.replace(WISHES, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="DHCP"),
        pytest.param({"address": "198.51.100.7/24", "gateway": "198.51.100.1"}, id="IPv4"),
        pytest.param({"address": "198.51.100.7/24"}, id="IPv4 without gateway"),
        pytest.param(
            {"address": "2001:db8::7/64", "gateway": "2001:db8::1", "mtu": 9000}, id="IPv6"
        ),
    ],
)
def test_seed_is_read_back(changes: dict[str, Any]) -> None:
    seed = Seed(wishes(**changes), make_key_pair().private)
    # On the disk zeros follow.
    assert decode_seed(encode_seed(seed) + bytes(4096)) == seed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"migration_id": "Web01"}, "migration id 'Web01'", id="capitals in the id"),
        pytest.param({"migration_id": "web01-"}, "migration id", id="hyphen at the end"),
        pytest.param({"migration_id": "a" * 51}, "migration id", id="long id"),
        pytest.param({"migration_id": "$(reboot)"}, "migration id", id="shell in the id"),
        pytest.param({"authorized_key": KEY + " me"}, "more than its type", id="comment"),
        pytest.param({"address": "198.51.100.7"}, "no prefix length", id="no prefix"),
        pytest.param({"address": "198.51.100.777/24"}, "cannot be used", id="no address"),
        pytest.param({"gateway": "198.51.100.1"}, "with DHCP", id="gateway with DHCP"),
        pytest.param(
            {"address": "198.51.100.7/24", "gateway": "198.51.101.1"},
            "not in the network",
            id="far",
        ),
        pytest.param({"address": "198.51.100.7/24", "gateway": "gw"}, "no IP address", id="name"),
        pytest.param({"mtu": 1279}, "MTU 1279", id="small MTU"),
        pytest.param({"mtu": 9217}, "MTU 9217", id="large MTU"),
    ],
)
def test_bad_wish_is_refused_with_its_value(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        wishes(**changes)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(KEY, id="bare"),
        pytest.param(f"{KEY} operator@example\n", id="as in the file"),
        pytest.param(f'  {KEY} a "quoted" comment', id="any comment"),
    ],
)
def test_key_is_taken_without_its_comment(line: str) -> None:
    assert normalize_key(line) == KEY


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("", id="nothing"),
        pytest.param("ssh-ed25519", id="type alone"),
        pytest.param(f"{KEY}\n{KEY}", id="two keys"),
        pytest.param(f'command="true" {KEY}', id="options"),
        pytest.param("ssh-dss AAAAB3NzaC1kc3M=", id="a type that sshd refuses"),
        pytest.param("ssh-ed25519 AAAA*", id="no base64"),
    ],
)
def test_other_than_one_public_key_is_refused(line: str) -> None:
    with pytest.raises(InputError, match="authorized key"):
        normalize_key(line)


def test_seed_that_is_cut_or_changed_anywhere_is_refused() -> None:
    whole = encode_seed(Seed(WISHES, "secret"))
    for length in range(len(whole)):
        with pytest.raises(InputError):
            decode_seed(whole[:length])
        with pytest.raises(InputError):
            decode_seed(whole[:length] + bytes([whole[length] ^ 0x20]) + whole[length + 1 :])


def test_seed_of_another_version_is_refused() -> None:
    raw = encode_seed(Seed(WISHES, "secret")).replace(b"FERRY-SEED 1", b"FERRY-SEED 2")
    with pytest.raises(InputError, match="known version"):
        decode_seed(raw)


def test_seed_is_no_longer_than_what_the_worker_reads() -> None:
    room = MAX_SIZE - len(encode_seed(Seed(WISHES, "")))
    # The length in the header grows by digits too.
    assert len(encode_seed(Seed(WISHES, "k" * (room - 8)))) <= MAX_SIZE
    with pytest.raises(InputError, match="is the limit"):
        encode_seed(Seed(WISHES, "k" * room))


def test_key_pair_is_read_back_and_openssh_agrees(tmp_path: Path) -> None:
    pair = make_key_pair()
    # The private form holds a random number, so it is written differently each time.
    assert read_key_pair(pair.private).public == pair.public
    file = tmp_path / "key"
    file.write_text(pair.private)
    file.chmod(0o600)
    told = subprocess.run(
        ["ssh-keygen", "-y", "-f", file], capture_output=True, text=True, check=True
    )
    assert told.stdout.split()[:2] == pair.public.split()


def test_a_host_key_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_key_pair("no key")


def unpack(raw: bytes, place: Path) -> subprocess.CompletedProcess[str]:
    """Run the worker's script on a seed, in a directory that stands for /run/worker."""
    place.mkdir()
    (place / "seed").write_bytes(raw.ljust(MAX_SIZE, b"\0"))
    script = place.parent / "unpack-seed"
    script.write_text(UNPACK.read_text().replace("/run/worker", str(place)))
    return subprocess.run(["busybox", "sh", script], capture_output=True, text=True, check=False)


def test_the_workers_script_reads_the_seed(tmp_path: Path) -> None:
    pair = make_key_pair()
    asked = wishes(address="2001:db8::7/64", gateway="2001:db8::1", mtu=1400)
    place = tmp_path / "worker"
    done = unpack(encode_seed(Seed(asked, pair.private)), place)
    assert done.returncode == 0, done.stderr
    assert (place / "ssh/host_key").read_text() == pair.private + "\n"
    assert (place / "ssh/authorized_keys").read_text() == f"{KEY}\n"
    told = dict(line.split("=", 1) for line in (place / "settings").read_text().splitlines())
    uuid = told.pop("STORAGE_UUID")
    assert [len(part) for part in uuid.split("-")] == [8, 4, 4, 4, 12]
    assert told == {
        "MIGRATION_ID": "web01",
        "ADDRESS": "2001:db8::7/64",
        "GATEWAY": "2001:db8::1",
        "MTU": "1400",
    }
    assert not (place / "seed").exists()
    assert {path.stat().st_mode & 0o077 for path in (place / "ssh").iterdir()} == {0}


def test_the_workers_script_refuses_a_damaged_seed(tmp_path: Path) -> None:
    whole = encode_seed(Seed(WISHES, make_key_pair().private))
    done = unpack(whole.replace(b"web01", b"web02"), tmp_path / "worker")
    assert done.returncode != 0
    assert not (tmp_path / "worker/settings").exists()
