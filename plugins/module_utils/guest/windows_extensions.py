# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
r"""Extensions at the first boot of a Windows guest: more numbered scripts for its runner.

    \Windows\Ferry\scripts\600-NAME.cmd        what the runner calls; it deletes the two below at the end
    \Windows\Ferry\scripts\600-NAME.start.ps1  starts the script, in its environment and for its time
    \Windows\Ferry\scripts\600-NAME.ps1        the script, as the operator gave it

They come after Ferry's own, which have lower numbers: drivers, disks and network are right by then.
"""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Tuple

from .changes import Change, EditFile, PlaceScript
from .extensions import FAIL, FIRST_BOOT, GUEST, POWERSHELL, WARN, Extension, Pairs, variables
from .rules import Finding, Options, Result
from .windows_facts import FOLDER, WindowsFacts

IDENTITY = "windows"
_SCRIPTS = rf"{FOLDER}\scripts"
_OURS = re.compile(rf"{re.escape(_SCRIPTS)}\\6\d\d-.+\.cmd", re.IGNORECASE)
_WHY = "it runs once, when the guest first starts on the target"
_NOTHING = "@echo off\r\nexit /b 0\r\n"
# Windows PowerShell takes a script without this mark for one in the system's old code page.
_MARK = "\ufeff"
# PowerShell ends a string at each of these (its language specification, 2.3.5.2); doubled, they are plain.
_QUOTES = re.compile("(['\u2018\u2019\u201a\u201b])")

_COMMAND = r"""@echo off
powershell.exe -NoProfile -ExecutionPolicy Bypass -File "%~dpn0.start.ps1"@QUIET@
set code=%ERRORLEVEL%
@JUDGE@
del "%~dpn0.start.ps1" "%~dpn0.ps1"
exit /b 0
"""

# Its own process, so that it can be ended with all that it started. Of a process whose handle nobody
# asked for, .NET forgets the exit code.
_START = r"""$ErrorActionPreference = 'Stop'
@VARIABLES@
$options = @{ NoNewWindow = $true; PassThru = $true }
$words = '-NoProfile', '-ExecutionPolicy', 'Bypass', '-File', "`"$PSScriptRoot\@SCRIPT@`""
$process = Start-Process powershell.exe -ArgumentList $words @options
$null = $process.Handle
if (-not $process.WaitForExit(@MILLISECONDS@)) {
    taskkill.exe /T /F /PID $process.Id
    exit 124
}
exit $process.ExitCode
"""
_JUDGE = {
    FAIL: "if %code% neq 0 exit /b %code%",
    WARN: "echo the script ended with %code%",
}


def usable(options: Options) -> Iterator[Result]:
    """Each extension can run for a Windows guest."""
    for each in options.extensions:
        if each.stage == FIRST_BOOT and each.kind != POWERSHELL:
            yield Finding(
                f"The extension {each.name} is {each.kind}, and at the first boot of Windows only"
                " PowerShell runs: give a PowerShell script."
            )
        elif each.stage != FIRST_BOOT and each.runs_on == GUEST:
            yield Finding(
                f"The extension {each.name} would run by Windows' own programs, which cannot run"
                " before it boots: set runs_on: worker, or stage: first_boot."
            )


def first_boot(facts: WindowsFacts, options: Options) -> Iterator[Change]:
    """The guest runs the extensions of its first boot after our own scripts, and no other ones."""
    wanted = [each for each in options.extensions if each.stage == FIRST_BOOT]
    commands: Dict[str, str] = {}
    for index, each in enumerate(wanted):
        name = f"6{index:02}-{each.name}"
        commands[rf"{_SCRIPTS}\{name}.cmd"] = _command(each)
        for path, text in _texts(name, each, _told(each, facts, options)):
            if facts.files.get(path.lower()) != text:
                yield PlaceScript(path, text, each.digest, _WHY)
    left = [path for path in facts.files if _OURS.fullmatch(path)]
    new = {path.lower() for path in commands}
    commands.update((path, _NOTHING) for path in left if path not in new)
    for path, text in commands.items():
        before = facts.files.get(path.lower())
        if before != text:
            yield EditFile(path, before, text, _WHY)


def _told(extension: Extension, facts: WindowsFacts, options: Options) -> Pairs:
    known = IDENTITY, str(facts.release.build)
    return variables(extension, options.sync, root="C:\\", distribution=known)


def _command(extension: Extension) -> str:
    text = _COMMAND.replace("@QUIET@", " >nul 2>&1" if extension.no_log else "")
    return text.replace("@JUDGE@", _JUDGE[extension.failure]).replace("\n", "\r\n")


def _texts(name: str, extension: Extension, told: Pairs) -> List[Tuple[str, str]]:
    values = "\n".join(f"$env:{variable} = {_quoted(value)}" for variable, value in told)
    start = (
        _START.replace("@SCRIPT@", f"{name}.ps1")
        .replace("@MILLISECONDS@", str(extension.timeout * 1000))
        .replace("@VARIABLES@", values)
        .replace("\n", "\r\n")
    )
    return [
        (rf"{_SCRIPTS}\{name}.ps1", _MARK + extension.content.lstrip(_MARK)),
        (rf"{_SCRIPTS}\{name}.start.ps1", _MARK + start),
    ]


def _quoted(value: str) -> str:
    return "'" + _QUOTES.sub(r"\1\1", value) + "'"
