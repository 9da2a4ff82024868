# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Migration extensions, the operator's own scripts: what one is, and what of it cannot be meant. Pure.

before      on the worker, in the guest's tree, before the preparation looks for what to change
after       the same, when everything is changed; what it did is judged with the rest
first_boot  in the guest itself, once
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from ..errors import InputError

BASH, PYTHON, POWERSHELL = KINDS = ("bash", "python", "powershell")
BEFORE, AFTER, FIRST_BOOT = STAGES = ("before", "after", "first_boot")
FIRST, DELTA, FINAL = SYNCS = ("first", "delta", "final")
GUEST, WORKER = PLACES = ("guest", "worker")
FAIL, WARN = FAILURES = ("fail", "warn")
# What becomes of a script whose kind is not given, by the end of its file's name.
SUFFIXES = {BASH: ".sh", PYTHON: ".py", POWERSHELL: ".ps1"}

# It is part of file names in the guest, on Windows too.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OUR_VARIABLES = "FERRY_"
# What ansible-vault writes first.
_VAULT = "$ANSIBLE_VAULT;"

Pairs = Tuple[Tuple[str, str], ...]


@dataclass(frozen=True)
class Sync:
    """The sync whose data is prepared: its migration's id, its number from 1, and its kind of `SYNCS`."""

    migration: str
    number: int
    kind: str


# Where there are no extensions, nobody asks.
UNKNOWN_SYNC = Sync("", 0, "")


@dataclass(frozen=True)
class Extension:
    """A script and how it is to run. `timeout` is in seconds.

    `secrets` are variables of its environment as `environment` is, but shown and recorded nowhere.
    """

    name: str
    kind: str
    stage: str
    runs_on: str
    syncs: Tuple[str, ...]
    content: str = field(repr=False)
    failure: str
    timeout: int
    environment: Pairs = ()
    secrets: Pairs = field(default=(), repr=False)
    no_log: bool = False

    @property
    def digest(self) -> str:
        """The SHA-256 of the script, in hex."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    @property
    def file_name(self) -> str:
        """A name for the script's file, with the suffix of its kind."""
        return self.name + SUFFIXES[self.kind]

    @property
    def identity(self) -> str:
        """What tells a script that ran from another one: all of it, but for the values of secrets."""
        names = [name for name, _value in self.secrets]
        told = (self.name, self.stage, self.runs_on, self.digest, self.environment, names)
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    @property
    def title(self) -> str:
        """The script in few words, for messages."""
        return f"{self.name} ({self.kind}, sha256 {self.digest})"


def read_extensions(given: Sequence[Mapping[str, Any]]) -> Tuple[Extension, ...]:
    """Return the extensions that the arguments of a module describe.

    Raises InputError that names all that cannot be meant.
    """
    refuse([*_twins(given), *(fault for each in given for fault in find_faults(each))])
    return tuple(_extension(each) for each in given)


def refuse(faults: Sequence[str]) -> None:
    """Raise InputError if there are any faults; they are whole sentences."""
    if faults:
        raise InputError(" ".join(faults), hint="Correct ferry_extensions.")


def _twins(given: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Names differ in more than case, which Windows does not mind."""
    seen: Dict[str, int] = {}
    for each in given:
        name = str(each["name"]).lower()
        seen[name] = seen.get(name, 0) + 1
    for name in (name for name, count in seen.items() if count > 1):
        yield f"Two extensions have the name {name}."


def find_faults(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield in sentences why an extension, whose choices are of ours, cannot be meant."""
    title = f"The extension {given['name']!r}"
    if not _NAME.fullmatch(given["name"]):
        yield f"{title} needs a name of at most 40 letters, digits, hyphens and underscores."
    if not given["content"].strip():
        yield f"{title} has an empty script."
    if given["content"].startswith(_VAULT):
        yield f"{title} has an encrypted script: give it as content, by lookup('file', ...)."
    if not given["syncs"]:
        yield f"{title} runs on no sync: its syncs are empty."
    if given["timeout"] < 1:
        yield f"{title} has a timeout of {given['timeout']} s; it must be at least 1."
    yield from (f"{title} {fault}" for fault in _misplaced(given))
    yield from (f"{title} {fault}" for fault in _wrong_variables(given))


def _misplaced(given: Mapping[str, Any]) -> Iterator[str]:
    kind, runs_on = given["kind"], given.get("runs_on")
    if given["stage"] == FIRST_BOOT:
        if runs_on == WORKER:
            yield "runs at the first boot, when there is no worker: leave runs_on out."
    elif kind == POWERSHELL:
        yield "is PowerShell, which runs at the first boot of Windows only: set stage: first_boot."
    elif kind == PYTHON and runs_on == GUEST:
        yield "is Python, which runs by the worker's interpreter: leave runs_on out."


def _wrong_variables(given: Mapping[str, Any]) -> Iterator[str]:
    environment, secrets = given.get("environment") or {}, given.get("secrets") or {}
    for name, value in [*environment.items(), *secrets.items()]:
        if not _VARIABLE.fullmatch(name) or name.upper().startswith(_OUR_VARIABLES):
            yield f"cannot have a variable {name!r}: names are like APP_PORT, and none of FERRY_*."
        if "\0" in str(value):
            yield f"has a null character in its variable {name}."
    for name in sorted(set(environment) & set(secrets)):
        yield f"has the variable {name} both in environment and in secrets."


def _extension(given: Mapping[str, Any]) -> Extension:
    return Extension(
        name=given["name"],
        kind=given["kind"],
        stage=given["stage"],
        runs_on=given.get("runs_on") or _usual_place(given),
        syncs=tuple(given["syncs"]),
        content=given["content"],
        failure=given["failure"],
        timeout=given["timeout"],
        environment=_pairs(given.get("environment")),
        secrets=_pairs(given.get("secrets")),
        no_log=given["no_log"],
    )


def _usual_place(given: Mapping[str, Any]) -> str:
    return WORKER if given["kind"] == PYTHON and given["stage"] != FIRST_BOOT else GUEST


def _pairs(given: Any) -> Pairs:
    return tuple(sorted((name, str(value)) for name, value in (given or {}).items()))


def in_sync(extensions: Sequence[Extension], sync: Sync) -> List[Extension]:
    """Return the extensions that are for this kind of sync, in their order."""
    return [each for each in extensions if sync.kind in each.syncs]


def variables(
    extension: Extension, sync: Sync, *, root: str, distribution: Tuple[str, str]
) -> Pairs:
    """Return the environment of an extension: what it is told by us, and what the operator gave.

    `root` is where it sees the guest's root, `distribution` are the guest's identity and version.
    """
    told = (
        ("FERRY_MIGRATION", sync.migration),
        ("FERRY_STAGE", extension.stage),
        ("FERRY_SYNC", sync.kind),
        ("FERRY_SYNC_NUMBER", str(sync.number)),
        ("FERRY_ROOT", root),
        ("FERRY_DISTRIBUTION", distribution[0]),
        ("FERRY_DISTRIBUTION_VERSION", distribution[1]),
    )
    return (*told, *extension.environment, *extension.secrets)
