# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which Windows guests can be prepared: each finding says what stands against it, and the way out."""

from __future__ import annotations

from typing import Iterator

from .rules import Finding, Note, Result
from .windows_facts import Obstacles, WindowsFacts
from .windows_names import RELEASES_IN_WORDS, SERVER_RELEASES

# Shift or /f: a plain shutdown of a guest with Fast Startup is a hibernation.
_SHUT_DOWN = (
    "shut it down on the source (`shutdown /s /f /t 0`), and sync again with the source off"
)


def check(facts: WindowsFacts) -> Iterator[Result]:
    """Yield a finding for each trait of the guest that no rule can make right."""
    yield from _release(facts)
    yield from check_disks(facts.obstacles)
    yield from _state(facts)


def _release(facts: WindowsFacts) -> Iterator[Result]:
    release = facts.release
    if release.build not in SERVER_RELEASES or not release.installation.startswith("Server"):
        yield Finding(
            f"It runs {release.product or 'an unknown Windows'} (build {release.build},"
            f" {release.installation or 'unknown kind'}); handled are {RELEASES_IN_WORDS}."
        )
    if facts.architecture != "amd64":
        yield Finding(f"Its processor is {facts.architecture or 'unknown'}; handled is amd64.")


def check_disks(obstacles: Obstacles) -> Iterator[Result]:
    """Yield a finding for each disk or volume that only Windows itself can read."""
    for disk in obstacles.dynamic_disks:
        yield Finding(
            f"The disk {disk} is a dynamic disk (LDM): its metadata lies at the source disk's end, where a"
            " larger volume does not have it. Convert it to a basic disk on the source, or move its data"
            " to one, and sync again."
        )
    for volume in obstacles.encrypted:
        yield Finding(
            f"{volume} is encrypted by BitLocker: decrypt it on the source (`manage-bde -off` with its"
            " drive letter, and wait until `manage-bde -status` says 0%), and sync again."
        )


def _state(facts: WindowsFacts) -> Iterator[Result]:
    obstacles = facts.obstacles
    if obstacles.hibernated:
        yield Finding(
            "It is hibernated, or was shut down with Fast Startup: what its disk holds is half in a memory"
            " image, which would be laid over every change. Run `powercfg /h off` on the source, then"
            f" {_SHUT_DOWN}."
        )
    elif obstacles.unclean:
        yield Finding(
            "Its system volume was in use when it was read (the NTFS log is not empty): a change now would"
            f" lose what Windows has yet to write. Leave out this step for now, or {_SHUT_DOWN}."
        )
    if obstacles.dirty:
        yield Finding(
            f"Windows has yet to bring the log into its hive {' and '.join(obstacles.dirty)}, and would lay"
            f" it over what is set now: {_SHUT_DOWN}."
        )
    if facts.fast_startup and not obstacles.hibernated:
        yield Note(
            "Fast Startup is on: run `powercfg /h off` on the source before its last shutdown, which would"
            " be a hibernation otherwise."
        )
