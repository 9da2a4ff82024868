# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extensions of a Windows guest: what is planned for its first boot, and what is refused.

No PowerShell is at hand: the scripts' text is all that is judged here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import describe, show_diff
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PlanError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.extensions import Sync
from ansible_collections.ferry.hvm.plugins.module_utils.guest.rules import Options

from tests.unit.plugins.module_utils.guest.test_guest_extensions import extension
from tests.unit.plugins.module_utils.guest.test_guest_windows import Guest
from tests.unit.plugins.module_utils.guest.windows_samples import fill_virtio_win

SYNC = Sync("erp01", 3, "final")
NOTHING = "@echo off\r\nexit /b 0\r\n"


def options(**changes: Any) -> Options:
    usual = {"name": "license", "kind": "powershell", "stage": "first_boot"}
    return Options(extensions=(extension(**{**usual, **changes}),), sync=SYNC)


@pytest.fixture
def windows(tmp_path: Path) -> Guest:
    made = Guest(tmp_path)
    fill_virtio_win(made.virtio)
    made.fill()
    return made


def script(windows: Guest, name: str) -> str:
    text = windows.tree.read(rf"Windows\Ferry\scripts\600-license.{name}")
    assert text is not None
    return text


def test_a_first_boot_comes_after_our_own_scripts_and_is_planned_once(windows: Guest) -> None:
    asked = options(content="Write-Output 'é'\n")
    windows.prepare(asked)
    names = windows.tree.names(r"Windows\Ferry\scripts")
    assert names[-3:] == ["600-license.cmd", "600-license.ps1", "600-license.start.ps1"]
    assert script(windows, "ps1") == "\ufeffWrite-Output 'é'\n"
    assert windows.plan(asked).changes == ()


def test_values_reach_powershell_whatever_quotes_they_hold(windows: Guest) -> None:
    windows.prepare(options(environment={"SITE": "it's"}, secrets={"TOKEN": "a\u2019b"}))
    start = script(windows, "start.ps1")
    assert "$env:SITE = 'it''s'\r\n" in start
    assert "$env:TOKEN = 'a\u2019\u2019b'\r\n" in start
    assert "$env:FERRY_DISTRIBUTION = 'windows'\r\n" in start
    assert "WaitForExit(60000)" in start


def test_scripts_and_secrets_are_shown_nowhere(windows: Guest) -> None:
    asked = options(content="hush\n", secrets={"TOKEN": "sesame"})
    changes = windows.plan(asked).changes
    told = f"{[describe(each) for each in changes]} {show_diff(changes)} {changes}"
    assert asked.extensions[0].digest in told
    assert "hush" not in told
    assert "sesame" not in told


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "if %code% neq 0 exit /b %code%\r\n"),
        ({"failure": "warn"}, "echo the script ended with %code%\r\n"),
        ({"no_log": True}, 'start.ps1" >nul 2>&1\r\n'),
    ],
)
def test_what_the_runner_learns_of_a_script(
    windows: Guest, changes: dict[str, Any], line: str
) -> None:
    windows.prepare(options(**changes))
    assert line in script(windows, "cmd")


def test_a_script_that_is_not_wanted_any_more_does_nothing(windows: Guest) -> None:
    windows.prepare(options())
    windows.prepare(Options())
    assert script(windows, "cmd") == NOTHING
    assert windows.plan(Options()).changes == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "bash"}, "only PowerShell runs"),
        ({"kind": "bash", "stage": "after"}, "set runs_on: worker"),
    ],
)
def test_what_cannot_run_for_windows_is_refused(
    windows: Guest, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(PlanError, match=words):
        windows.plan(options(**changes))
