# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The sender of a source worker, as one file: it reads snapshots of VMs too. PRIVATE; the controller's side.

It needs a newer Python than the plain one, and pyvmomi beside it.
"""

from __future__ import annotations

import os

from ..replication.package import ROOT, build_sender

_BESIDE = (
    "change_plan.py",
    "trust.py",
    "waiting.py",
    "entry/shared_reader.py",
    "entry/vm_snapshot_view.py",
)

_MAIN = """\
import sys

from ferry.entry.vm_snapshot_view import open_vm_snapshot
from ferry.replication.sender_main import main
from ferry.replication.source_view import OPENERS

OPENERS["vcenter_snapshot"] = open_vm_snapshot
sys.exit(main(sys.argv[1:]))
"""


def build_vm_sender() -> bytes:
    """Return the sender with the whole room vsphere. The same files give the same bytes."""
    room = sorted(name for name in os.listdir(os.path.join(ROOT, "vsphere")) if _is_source(name))
    return build_sender((*_BESIDE, *(f"vsphere/{name}" for name in room)), _MAIN)


def _is_source(name: str) -> bool:
    return name.endswith(".py") and name != "__init__.py"
