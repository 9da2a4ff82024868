# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The suboptions by which a source worker is told whose snapshot to read. PRIVATE to the collection.

Entry layer. The connection is that of the vsphere modules; how it is used is in vm_snapshot_view.py, on the
source worker.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Mapping

from ..errors import InputError
from ..vsphere.load_limits import READS_PER_DATASTORE, READS_PER_HOST
from ..vsphere.readers import AUTO, READERS
from .run import ArgumentSpec
from .vcenter import CONNECTION, ONE_MACHINE

# Beside what a package manager keeps there: it outlives restarts, and a host that lost it reads disks whole.
INDEXES = "/var/lib/ferry/indexes"

_READING = ArgumentSpec(
    options={
        "reader": {"type": "str", "choices": [AUTO, *READERS], "default": AUTO},
        "reads_all": {"type": "bool", "default": False},
        "left_out_disks": {"type": "list", "elements": "int", "default": []},
        "index_directory": {"type": "str", "default": INDEXES},
        "vddk_libdir": {"type": "str"},
        "reads_per_host": {"type": "int", "default": READS_PER_HOST},
        "reads_per_datastore": {"type": "int", "default": READS_PER_DATASTORE},
    },
)

VM_SNAPSHOT = _READING.with_options(CONNECTION).with_options(ONE_MACHINE)


def with_authorities(given: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the suboptions for a host that has no file of ours: the certificates themselves in `authorities`.

    Raises InputError where they cannot be read.
    """
    rest = {name: value for name, value in given.items() if name != "ca_path"}
    return {**rest, "authorities": _read(given["ca_path"])}


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii") if path else ""
    except (OSError, ValueError) as error:
        raise InputError(
            f'The certificates in ca_path "{path}" cannot be read: {error}.',
            hint="Give one PEM file: its content goes to the source worker.",
        ) from None
