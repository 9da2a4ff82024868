# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""SELinux: what the preparation makes anew has no label, and a guest that enforces may not read it.

A file that is edited in place keeps its label. For new ones the guest labels itself anew at its first
boot (`/.autorelabel`), which takes minutes and one more start: the worker's kernel has no SELinux, and
`setfiles` would label by a policy that is not loaded (decision 0023).
"""

from __future__ import annotations

import re
from typing import Sequence

from .changes import EditFile, InstallPackages, RebuildInitramfs, RemovePackages
from .facts import GuestFacts
from .rules import Note, Result, Results

SETTINGS_FILE = "/etc/selinux/config"
MARK = "/.autorelabel"
_ON = re.compile(r"^\s*SELINUX=(?:enforcing|permissive)\s*$", re.MULTILINE)
# Their tools write files of which the plan does not know.
_MAKERS = (InstallPackages, RebuildInitramfs, RemovePackages)


def relabel(facts: GuestFacts, results: Sequence[Result]) -> Results:
    """The guest labels its files anew at its first boot, if it has SELinux and gets new files."""
    on = _ON.search(facts.files.get(SETTINGS_FILE, "")) is not None
    if on and MARK not in facts.files and any(_makes_files(each) for each in results):
        yield EditFile(MARK, None, "", "SELinux is on, and new files have no label yet")
        yield Note(
            "The guest labels all its files for SELinux at its first boot and starts once more: that"
            " takes minutes."
        )


def _makes_files(result: Result) -> bool:
    new = isinstance(result, EditFile) and result.before is None
    return new or isinstance(result, _MAKERS)
