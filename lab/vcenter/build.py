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
            _build(program, cache / "go")
    return program


def go_environment(go_cache: Path) -> dict[str, str]:
    """Variables with which go builds from Debian's packages, without modules and without network."""
    own = {"GO111MODULE": "off", "GOPATH": GO_PATH, "GOCACHE": str(go_cache), "GOFLAGS": ""}
    return {**os.environ, **own}


def _build(program: Path, go_cache: Path) -> None:
    print("==> building the lab's vCenter (up to 2 minutes the first time)", flush=True)
    began = time.monotonic()
    program.parent.mkdir(parents=True, exist_ok=True)
    fresh = program.with_suffix(".new")
    command = ["go", "build", "-o", str(fresh), "."]
    try:
        subprocess.run(
            command,
            cwd=SOURCES,
            env=go_environment(go_cache),
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError as missing:
        raise LabError("The program go is not installed", "Run `make setup` as root.") from missing
    except subprocess.CalledProcessError as failed:
        raise LabError(f"go build {SOURCES}: {failed.stderr[:FIRST_WORDS]}") from failed
    fresh.rename(program)
    log.info("Built %s in %.0f s", program, time.monotonic() - began)
