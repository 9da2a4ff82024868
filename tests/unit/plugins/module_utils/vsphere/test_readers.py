# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`auto` takes the best reader that can be right; a word that cannot be right is refused."""

from __future__ import annotations

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.vsphere.readers import (
    ReaderFacts,
    choose_reader,
)

NO_VDDK, NO_FILE, NO_EXPORT = "no library", "it has a parent", "it is encrypted"

AUTO = {
    "vddk where it is there": (("", ""), "vddk"),
    "datastore without vddk": ((NO_VDDK, ""), "datastore"),
    "export for what is left": ((NO_VDDK, NO_FILE), "export"),
    "vddk where no file can be read": (("", NO_FILE), "vddk"),
}


@pytest.mark.parametrize(("obstacles", "reader"), AUTO.values(), ids=list(AUTO))
def test_auto_takes(obstacles: tuple[str, str], reader: str) -> None:
    choice = choose_reader("auto", ReaderFacts(*obstacles, is_delta=False))
    assert choice.reader == reader
    if reader == "export":
        assert choice.why == "not vddk: no library; not datastore: it has a parent"


@pytest.mark.parametrize("word", ["auto", "export"])
def test_a_delta_by_export_says_that_it_compares_everything(word: str) -> None:
    delta = choose_reader(word, ReaderFacts(NO_VDDK, NO_FILE, is_delta=True))
    full = choose_reader(word, ReaderFacts(NO_VDDK, NO_FILE, is_delta=False))
    assert "compares the whole disk" in delta.why
    assert "compares the whole disk" not in full.why


@pytest.mark.parametrize("word", ["vddk", "datastore", "export"])
def test_a_word_that_can_be_right_is_taken(word: str) -> None:
    assert choose_reader(word, ReaderFacts("", "", is_delta=False)).reader == word


@pytest.mark.parametrize(
    ("word", "why"), [("vddk", NO_VDDK), ("datastore", NO_FILE), ("export", NO_EXPORT)]
)
def test_a_word_that_cannot_be_right_is_refused_with_the_reason(word: str, why: str) -> None:
    facts = ReaderFacts(NO_VDDK, NO_FILE, is_delta=False, export=NO_EXPORT)
    with pytest.raises(InputError, match=why):
        choose_reader(word, facts)


def test_where_no_reader_can_be_right_all_reasons_are_told() -> None:
    facts = ReaderFacts(NO_VDDK, NO_FILE, is_delta=False, export=NO_EXPORT)
    with pytest.raises(InputError, match=f"{NO_VDDK}.*{NO_FILE}.*{NO_EXPORT}"):
        choose_reader("auto", facts)


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(InputError, match="no reader"):
        choose_reader("nfc", ReaderFacts("", "", is_delta=False))
