# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.settings import LabSettings, cache_directory, lab_settings


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FERRY_CACHE", str(tmp_path))
    return tmp_path


def test_a_labs_addresses_follow_from_its_index() -> None:
    lab = LabSettings("test", 1, Path("/x"))

    assert lab.whole_range == IPv4Network("198.18.16.0/20")
    assert lab.link == IPv4Network("198.18.16.0/30")
    assert lab.production == IPv4Network("198.18.17.0/24")
    assert lab.migration == IPv4Network("198.18.18.0/24")
    assert lab.appliance_url == "https://198.18.16.2:8443"
    assert lab.source_address("db01") == IPv4Address("198.18.17.12")


def test_no_two_labs_share_an_address() -> None:
    ranges = [LabSettings("x", index, Path("/x")).whole_range for index in range(16)]

    assert not any(one.overlaps(other) for one in ranges for other in ranges if one is not other)


def test_a_known_lab_brings_its_index_and_its_directory(cache: Path) -> None:
    lab = lab_settings("test")

    assert (lab.index, lab.directory) == (1, cache / "labs" / "test")
    assert cache_directory() == cache


def test_another_lab_keeps_the_index_of_its_last_start(cache: Path) -> None:
    directory = cache / "labs" / "mine"
    directory.mkdir(parents=True)
    (directory / "lab.json").write_text(json.dumps({"index": 7}))

    assert lab_settings("mine").index == 7
    assert lab_settings("mine", 8).index == 8


@pytest.mark.parametrize("index", [None, 0, 1, 16])
def test_another_lab_needs_a_free_index(index: int | None) -> None:
    with pytest.raises(LabError, match="Give --index 2 to 15"):
        lab_settings("mine", index)


@pytest.mark.parametrize("name", ["", "Demo", "a b", "../x", "1st", "x" * 21])
def test_a_name_must_be_good_for_a_directory_and_a_namespace(name: str) -> None:
    with pytest.raises(LabError, match="is no name for a lab"):
        lab_settings(name, 3)


def test_a_source_server_that_the_lab_does_not_have_is_named() -> None:
    with pytest.raises(LabError, match=r"no source server 'web02'\. It has: web01, db01"):
        lab_settings("demo").source_address("web02")
