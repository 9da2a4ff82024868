# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions on a source server share. PRIVATE to the collection."""

from __future__ import annotations

from ..module_utils.entry.vm_sender import build_vm_sender
from ..module_utils.replication.package import build_sender
from .courier import Courier
from .task import Task

# Where exports live on the source. In memory: a restart of the server forgets them, as it should.
BASE = "/run/ferry"


def open_courier(task: Task, *, reads_vms: bool = False) -> Courier:
    """Return the courier to the task's host, with the sender in its bag; one that reads VMs, if asked."""
    sender = build_vm_sender() if reads_vms else build_sender()
    return Courier(task.shell, sender=sender, interpreter=task.interpreter, host=task.address)
