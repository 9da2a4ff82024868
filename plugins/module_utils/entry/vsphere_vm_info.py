# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the options of vsphere_vm_info to facts of VMs. PRIVATE to the collection."""

from __future__ import annotations

from ..vsphere import machines
from ..vsphere.facts import FactReader
from .run import Outcome
from .vcenter import Params, open_session, read_called


def work_vm_info(params: Params, _check_mode: bool) -> Outcome:
    """Return the facts of the VM that is named, of all with a name, or of all."""
    called = read_called(params)
    with open_session(params) as session:
        reader = FactReader(session)
        if called is None or (called.name and "/" not in called.name):
            return Outcome(False, {"vms": reader.of_all(called.name if called else "")})
        return Outcome(False, {"vms": [reader.of(machines.find(session, called))]})
