# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's vCenter as a program, built from `server/` and Debian's govmomi, and kept by its sources' digest."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from pathlib import Path

from ..errors import LabError
from ..recipe import only_one_builder, recipe_key

log = logging.getLogger(__name__)

SOURCES = Path(__file__).parent / "server"
# Where Debian's -dev packages of Go put their sources.
GO_PATH = "/usr/share/gocode"
# What go says when it fails is long; the first error is the cause.
FIRST_WORDS = 600


def ensure_program(cache: Path) -> Path:
    """Return the program, built if the cache has none for these sources: 30 s to 2 min the first time.

    Raises LabError when it cannot be built.
    """
    programs = cache / "vcenter"
    program = programs / recipe_key(SOURCES) / "ferry-vcenter"
    with only_one_builder(programs):
        if not program.exists():
            _build(program, cache)
    return program


def check_sources(cache: Path) -> None:
    """The sources are formatted as gofmt does it, and go vet finds nothing. Raises LabError."""
    unformatted = _go(cache, "gofmt", "-l", ".")
    if unformatted:
        raise LabError(f"Not formatted: {' '.join(unformatted.split())}", "Run gofmt -w on them.")
    _go(cache, "go", "vet", ".")


def _build(program: Path, cache: Path) -> None:
    # The lab's line for this step waits for its seconds: this one comes below it, and gets them.
    words = "\n    building the lab's vCenter, up to 2 minutes the first time"
    print(words, end="", flush=True)
    began = time.monotonic()
    program.parent.mkdir(parents=True, exist_ok=True)
    fresh = program.with_suffix(".new")
    _go(cache, "go", "build", "-o", str(fresh), ".")
    fresh.rename(program)
    log.info("Built %s in %.0f s", program, time.monotonic() - began)


def _go(cache: Path, *command: str) -> str:
    """What a program of Go said about the sources: with Debian's packages, no modules, no network."""
    own = {"GO111MODULE": "off", "GOPATH": GO_PATH, "GOCACHE": str(cache / "go"), "GOFLAGS": ""}
    try:
        done = subprocess.run(
            command,
            cwd=SOURCES,
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError as missing:
        raise LabError(
            f"The program {command[0]} is not installed", "Run `make setup` as root."
        ) from missing
    except subprocess.CalledProcessError as failed:
        raise LabError(f"{' '.join(command[:2])}: {failed.stderr[:FIRST_WORDS]}") from failed
    return done.stdout
