# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From the options of vsphere_snapshot_info to snapshots and whose they are. PRIVATE to the collection."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ..vsphere import audit, machines
from ..vsphere.audit import Held
from ..vsphere.machines import MachineCalled
from ..vsphere.session import Session
from .run import Outcome
from .vcenter import Params, open_session, read_called


def work_snapshot_info(params: Params, _check_mode: bool) -> Outcome:
    """Return the snapshots of the VM that is named, or of all; Ferry's only, if asked."""
    with open_session(params) as session:
        found = _find(session, read_called(params))
    return Outcome(False, {"snapshots": _results(found, params)})


def _find(session: Session, called: Optional[MachineCalled]) -> List[Held]:
    if called is None:
        return audit.all_snapshots(session)
    return audit.snapshots_of(session, machines.find(session, called))


def _results(found: List[Held], params: Params) -> List[Dict[str, Any]]:
    id_ = params["migration_id"]
    return [
        each.as_result()
        for each in found
        if (not params["of_ferry"] or each.snapshot.migration_id is not None)
        and (not id_ or each.snapshot.migration_id == id_)
    ]
