# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils import errors


@pytest.mark.parametrize(
    "kind",
    [
        errors.InputError,
        errors.TransientError,
        errors.RestartSyncError,
        errors.PermanentError,
    ],
)
def test_an_error_crosses_a_process_border_unchanged(kind: type[errors.FerryError]) -> None:
    sent = kind("Disk sda of web01 is 10 bytes.", hint="Use a larger one.")
    got = errors.from_dict(sent.as_dict())
    assert got.kind == kind.kind
    assert str(got) == "Disk sda of web01 is 10 bytes. Use a larger one."


def test_an_unknown_kind_is_for_a_human() -> None:
    got = errors.from_dict({"kind": "of a later version", "what": "x"})
    assert isinstance(got, errors.PermanentError)
