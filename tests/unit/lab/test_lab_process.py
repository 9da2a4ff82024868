# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import process
from lab.command import run, run_aside
from lab.errors import LabError

# Ends when its standard input does; ignores SIGTERM if told so. Its last word is its pid file.
PROGRAM = """
import signal, sys
if sys.argv[1] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def pid_file(tmp_path: Path) -> Path:
    return tmp_path / "pid"


@pytest.fixture(params=["meek"])
def program(pid_file: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", PROGRAM, request.param, str(pid_file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        pid_file.write_text(str(running.pid))
        yield running
        running.kill()


def test_a_process_is_found_by_its_pid_file(
    pid_file: Path, program: subprocess.Popen[bytes]
) -> None:
    assert process.find_pid(pid_file) == program.pid


@pytest.mark.parametrize(
    "content",
    [str(os.getpid()), "999999999", "", "x"],
    ids=["another process", "nobody", "an empty file", "no number"],
)
def test_a_pid_of_somebody_else_is_not_ours(pid_file: Path, content: str) -> None:
    pid_file.write_text(content)

    assert process.find_pid(pid_file) is None


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("program", ["meek", "stubborn"], indirect=True)
def test_a_process_is_ended_even_if_it_ignores_the_request(pid_file: Path) -> None:
    process.end(pid_file, deadline=0.5)

    assert process.find_pid(pid_file) is None
    assert not pid_file.exists()


def test_ending_what_does_not_run_changes_nothing(pid_file: Path) -> None:
    process.end(pid_file)

    assert not pid_file.exists()


def test_the_end_of_a_process_is_an_event(pid_file: Path, program: subprocess.Popen[bytes]) -> None:
    async def watch() -> None:
        watching = asyncio.create_task(process.wait_ended(pid_file))
        done, _unused = await asyncio.wait([watching], timeout=0.2)
        assert not done
        program.kill()
        await asyncio.wait_for(watching, 10)

    asyncio.run(watch())


def test_the_end_of_what_does_not_run_has_come(pid_file: Path) -> None:
    asyncio.run(asyncio.wait_for(process.wait_ended(pid_file), 1))


def test_a_line_from_a_new_process_is_waited_for(tmp_path: Path) -> None:
    told, log = tmp_path / "told", tmp_path / "log"
    code = "import sys; open(sys.argv[1], 'w').write('https://here\\n')"

    writer = process.start_detached(
        [sys.executable, "-c", code, str(told)], log=log, directory=tmp_path
    )

    assert process.wait_for_line(told, writer, log=log, deadline=20) == "https://here"
    writer.wait()


def test_a_process_that_ends_without_its_line_is_told_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    writer = process.start_detached(["false"], log=log, directory=tmp_path)
    writer.wait()

    with pytest.raises(LabError, match=f"did not write {tmp_path}/told. See {log}"):
        process.wait_for_line(tmp_path / "told", writer, log=log, deadline=20)


def test_a_failed_program_is_told_with_its_last_words() -> None:
    with pytest.raises(LabError, match=r"sh -c .* ended with 3: no luck"):
        run("sh", "-c", "echo no luck >&2; exit 3")
    with pytest.raises(LabError, match="ended with 3: no luck"):
        asyncio.run(run_aside("sh", "-c", "echo no luck >&2; exit 3"))


def test_a_missing_program_is_told_with_what_to_do() -> None:
    with pytest.raises(LabError, match=r"no-such-program is not installed\. Run `make setup`"):
        run("no-such-program")
    with pytest.raises(LabError, match="no-such-program is not installed"):
        asyncio.run(run_aside("no-such-program"))


def test_a_program_gets_its_input_and_its_output_is_returned() -> None:
    assert run("cat", given="to and fro") == "to and fro"
    assert asyncio.run(run_aside("echo", "fro")) == "fro\n"
