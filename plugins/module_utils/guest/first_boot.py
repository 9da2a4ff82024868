# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Extensions at the first boot of a Linux guest: numbered scripts, and a unit of systemd that runs them.

    /var/lib/ferry/first-boot/run             the runner, which knows the scripts and their order
    /var/lib/ferry/first-boot/010-NAME.sh     a script, as the operator gave it
    /var/lib/ferry/first-boot/010-NAME        starts it, in its environment and for its time
    /var/log/ferry-first-boot.log             what they said; the journal has it too

A script that ended well is deleted, so that the next boot goes on behind it. When none is left, unit and
folder are deleted; the log stays. The runner does not look for scripts: what an earlier preparation of
other extensions left in the folder never runs.
"""

from __future__ import annotations

import shlex
from typing import Iterator, List, Tuple

from .changes import Change, EditFile, PlaceScript, RunInGuest
from .extensions import BASH, FIRST_BOOT, Extension, Pairs, variables
from .facts import GuestFacts
from .rules import Options, Results

FOLDER = "/var/lib/ferry/first-boot"
UNIT = "ferry-first-boot.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
LINK = f"/etc/systemd/system/multi-user.target.wants/{UNIT}"
_RUNNER_FILE = f"{FOLDER}/run"
_WHY = "it runs once, when the guest first starts on the target"

# Without `Wants=network-online.target`: a clone on no network would wait for it, and count a failed unit.
_UNIT_TEXT = f"""[Unit]
Description=Ferry: scripts for the first boot on the target platform
After=network-online.target
ConditionPathExists={_RUNNER_FILE}

[Service]
Type=oneshot
ExecStart=/bin/sh {_RUNNER_FILE}

[Install]
WantedBy=multi-user.target
"""

# All of it is read before the first script runs: the last deed deletes the file.
_RUNNER = """#!/bin/sh
umask 077
folder=@FOLDER@
log=/var/log/ferry-first-boot.log

say() {
    echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $*" | tee -a "$log"
}

run() {
    [ -e "$folder/$1" ] || return 0
    say "$1 begins"
    sh "$folder/$1" >"$folder/output" 2>&1
    code=$?
    tee -a "$log" <"$folder/output"
    say "$1 ended with $code"
    if [ "$code" -ne 0 ] && [ "$2" = fail ]; then
        say "the next boot begins with $1 again"
        exit 1
    fi
    rm -f "$folder/$1" "$folder/$1".*
}

main() {
@RUNS@
    systemctl --no-reload disable @UNIT@
    rm -f @UNIT_FILE@
    rm -rf "$folder"
    say "all is done"
    exit 0
}

main
"""


def scripts(facts: GuestFacts, options: Options) -> Results:
    """The guest runs the extensions of its first boot, and no other ones, once."""
    wanted = [each for each in options.extensions if each.stage == FIRST_BOOT]
    if wanted:
        yield from _place(facts, options, wanted)
        yield from _edit(facts, _RUNNER_FILE, _runner(wanted))
        yield from _edit(facts, UNIT_FILE, _UNIT_TEXT)
    if bool(wanted) != (LINK in facts.files):
        why = _WHY if wanted else "its scripts are not wanted any more"
        yield RunInGuest(("systemctl", "enable" if wanted else "disable", UNIT), why)


def _place(facts: GuestFacts, options: Options, wanted: List[Extension]) -> Iterator[Change]:
    known = facts.distribution.identity, facts.distribution.version
    for name, each in _numbered(wanted):
        script = f"{FOLDER}/{name}{each.file_name[len(each.name) :]}"
        told = variables(each, options.sync, root="/", distribution=known)
        for path, text in (
            (script, each.content),
            (f"{FOLDER}/{name}", _start(each, script, told)),
        ):
            if facts.files.get(path) != text:
                yield PlaceScript(path, text, each.digest, _WHY)


def _edit(facts: GuestFacts, path: str, text: str) -> Iterator[Change]:
    before = facts.files.get(path)
    if before != text:
        yield EditFile(path, before, text, _WHY)


def _numbered(wanted: List[Extension]) -> Iterator[Tuple[str, Extension]]:
    for index, each in enumerate(wanted, start=1):
        yield f"{index * 10:03}-{each.name}", each


def _start(extension: Extension, script: str, told: Pairs) -> str:
    """Return the shell script that starts an extension. SIGKILL comes for what outlives SIGTERM."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in told]
    if extension.no_log:
        lines.append("exec >/dev/null 2>&1")
    interpreter = "bash" if extension.kind == BASH else "python3"
    lines.append(f"exec timeout -k 10 {extension.timeout} {interpreter} {script}")
    return "\n".join([*lines, ""])


def _runner(wanted: List[Extension]) -> str:
    runs = "\n".join(f"    run {name} {each.failure}" for name, each in _numbered(wanted))
    return (
        _RUNNER.replace("@FOLDER@", FOLDER)
        .replace("@RUNS@", runs)
        .replace("@UNIT@", UNIT)
        .replace("@UNIT_FILE@", UNIT_FILE)
    )
