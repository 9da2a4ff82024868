# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The switches of the lab's vCenter, which no vCenter has: what its guests write, and what goes wrong.

`CONTROL.md` describes the interface; this is its client.
"""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import LabError

# An import compares whole disks, which takes seconds per GiB on a busy machine.
DEADLINE = 600.0

LAB_HEADER = "X-Ferry-Lab-Token"


@dataclass(frozen=True)
class Control:
    """All sizes and offsets are in bytes; a disk is named by its machine and its device key."""

    url: str
    token: str
    ca_path: Path

    def write(self, vm: str, key: int, offset: int, data: bytes) -> None:
        """The guest has written the bytes: they are in the disk, and their blocks count as changed."""
        self._send("POST", f"disks/{vm}/{key}/write?offset={offset}", data)

    def import_raw(self, vm: str, key: int, image: Path) -> int:
        """The disk reads as the raw image does; return how many bytes of changed blocks that took."""
        return int(self._call("POST", f"disks/{vm}/{key}/import", {"path": str(image)})["changed"])

    def export_raw(self, vm: str, key: int, image: Path, *, snapshot: str = "") -> None:
        """A raw image holds what the disk reads as now, or in the snapshot with this moref."""
        wanted = {"path": str(image), "snapshot": snapshot}
        self._call("POST", f"disks/{vm}/{key}/export", wanted)

    def grow(self, vm: str, key: int, capacity: int) -> None:
        """The disk of a machine without snapshots has this capacity."""
        self._call("POST", f"disks/{vm}/{key}/grow", {"capacity": capacity})

    def reset_change_id(self, vm: str, key: int) -> None:
        """The disk is tracked under a new uuid: all earlier change ids are unknown."""
        self._call("POST", f"disks/{vm}/{key}/reset")

    def rewind_change_id(self, vm: str, key: int) -> None:
        """The uuid is the same, but the counter begins at 1, and what was marked is forgotten."""
        self._call("POST", f"disks/{vm}/{key}/rewind")

    def add_disk(self, vm: str, **description: Any) -> int:
        """The machine has one more disk, as an inventory describes it; return its device key."""
        return int(self._call("POST", f"disks/{vm}", description)["key"])

    def remove_disk(self, vm: str, key: int) -> None:
        """The machine has the disk no more."""
        self._call("DELETE", f"disks/{vm}/{key}")

    def add_fault(self, kind: str, **more: Any) -> None:
        """The fault happens at its next occasion. Its kinds are in `CONTROL.md`."""
        self._call("POST", "faults", {"kind": kind, **more})

    def clear_faults(self) -> None:
        self._call("DELETE", "faults")

    def change_settings(self, **settings: Any) -> None:
        """These settings hold from now on; those that are not named stay."""
        self._call("PUT", "settings", settings)

    def state(self) -> dict[str, Any]:
        """The records of all machines, the settings, the faults to come and how many leases there are."""
        return self._call("GET", "state")

    def counters(self) -> dict[str, int]:
        """Bytes that went out since the last reset, by `<vm>/<key>/<folder or lease>`."""
        return self._call("GET", "counters")

    def reset_counters(self) -> None:
        self._call("DELETE", "counters")

    def expire_sessions(self) -> None:
        """No session is good any more, and with the sessions went their leases."""
        self._call("DELETE", "sessions")

    def expire_leases(self) -> None:
        """All leases have ended as if nobody had given a sign of life."""
        self._call("DELETE", "leases")

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        return self._send(method, path, b"" if body is None else json.dumps(body).encode())

    def _send(self, method: str, path: str, data: bytes) -> dict[str, Any]:
        trust = ssl.create_default_context(cafile=str(self.ca_path))
        address = urllib.parse.urlsplit(self.url).netloc
        connection = http.client.HTTPSConnection(address, context=trust, timeout=DEADLINE)
        try:
            connection.request(method, f"/ferry-lab/{path}", data, {LAB_HEADER: self.token})
            answer = connection.getresponse()
            told = answer.read().decode()
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise LabError(f"{method} {path}: {told.strip()}")
        content: dict[str, Any] = json.loads(told)
        return content
