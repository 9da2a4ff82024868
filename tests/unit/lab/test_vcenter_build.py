# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.recipe import recipe_key
from lab.vcenter import build


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A program that was built for the present sources."""
    program = tmp_path / "vcenter" / recipe_key(build.SOURCES) / "ferry-vcenter"
    program.parent.mkdir(parents=True)
    program.touch()
    return program


@pytest.fixture
def no_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("no_go")
def test_what_was_built_for_these_sources_is_not_built_again(tmp_path: Path, kept: Path) -> None:
    assert build.ensure_program(tmp_path) == kept


@pytest.mark.usefixtures("no_go")
def test_a_missing_compiler_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="program go is not installed"):
        build.ensure_program(tmp_path)

    assert list(tmp_path.glob("vcenter/*/ferry-vcenter*")) == []
