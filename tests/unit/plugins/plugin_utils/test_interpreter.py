# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python is found on any source, or its absence is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.plugin_utils.interpreter import (
    NO_PYTHON,
    python_command,
    wanted_interpreter,
)

PROGRAM = "import sys; print('ran with', sys.stdin.read())"


def run(command: str, path: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(path)}
    arguments = ["/bin/sh", "-c", command]
    return subprocess.run(
        arguments, input="input", capture_output=True, text=True, env=environment, check=False
    )


def put_shim(path: Path) -> None:
    """A name on PATH that is no Python: pyenv's way for versions that are not chosen."""
    path.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    path.chmod(0o755)


def test_program_gets_the_whole_input(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(sys.executable)
    done = run(python_command(PROGRAM), tmp_path)
    assert (done.returncode, done.stdout) == (0, "ran with input\n")


def test_a_name_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    put_shim(tmp_path / "python3")
    put_shim(tmp_path / "python3.13")
    (tmp_path / "python3.7").symlink_to(sys.executable)
    assert run(python_command(PROGRAM), tmp_path).stdout == "ran with input\n"


def test_no_python_at_all_is_told_by_the_status(tmp_path: Path) -> None:
    put_shim(tmp_path / "python3.8")
    assert run(python_command(PROGRAM, "python3.8"), tmp_path).returncode == NO_PYTHON


def test_only_the_named_interpreter_is_tried(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(sys.executable)
    assert run(python_command(PROGRAM, "/opt/python"), tmp_path).returncode == NO_PYTHON


def test_the_programs_own_status_is_the_commands(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(sys.executable)
    assert run(python_command("raise SystemExit(1)"), tmp_path).returncode == 1


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        pytest.param({}, "", id="unset"),
        pytest.param({"ansible_python_interpreter": "auto_silent"}, "", id="discovery"),
        pytest.param({"ansible_python_interpreter": None}, "", id="null"),
        pytest.param({"ansible_python_interpreter": "/opt/py"}, "/opt/py", id="named"),
    ],
)
def test_wanted_interpreter(variables: dict[str, str | None], wanted: str) -> None:
    assert wanted_interpreter(variables) == wanted
