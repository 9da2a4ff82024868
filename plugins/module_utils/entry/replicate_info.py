# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What the module worker_replicate_info finds on the worker. PRIVATE to the collection."""

from __future__ import annotations

import os
from typing import Any, Dict

from .names import check_slug
from .replicate import Params, Record, running_receivers
from .run import ArgumentSpec, Outcome

SPEC = ArgumentSpec(options={"migration_id": {"type": "str", "required": True}})


def work_replicate_info(params: Params, _check_mode: bool) -> Outcome:
    """Return the receivers of a migration that are at work on this worker."""
    check_slug("migration_id", params["migration_id"])
    found = [_as_result(record) for record in running_receivers(params["migration_id"])]
    return Outcome(False, {"receivers": found})


def _as_result(record: Record) -> Dict[str, Any]:
    with open(os.path.join(record["directory"], "cert.pem"), encoding="ascii") as stream:
        certificate = stream.read().strip()
    return {
        "run": record["run"],
        "certificate": certificate,
        # Path and content are told only where given: so these compare with what pair_disks makes.
        "target_disks": [
            {
                name: value
                for name, value in disk.items()
                if name not in ("path", "content") or value
            }
            for disk in record["target_disks"]
        ],
    }
