# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From a module's arguments to a request, and from the report to plain data."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from ..errors import InputError
from .changes import describe, show_diff
from .extension_run import AT_FIRST_BOOT, FAILED, RAN, WOULD_RUN, Outcome
from .extensions import UNKNOWN_SYNC, Extension, Sync, in_sync, read_extensions
from .facts import GuestFacts
from .network import Interface, normal_mac
from .prepare import Report, Request
from .rules import Options
from .windows_facts import WindowsFacts
from .windows_report import describe_windows

_TOLD = (RAN, FAILED, WOULD_RUN, AT_FIRST_BOOT)
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


def read_request(params: Mapping[str, Any]) -> Request:
    """Return what the module's arguments ask for. Raises InputError for what cannot be meant."""
    disks = tuple((disk["name"], disk["path"]) for disk in params["disks"])
    for what in ("name", "path"):
        values = [disk[what] for disk in params["disks"]]
        if len(set(values)) != len(values):
            raise InputError(f"Two of the disks have the same {what}: {', '.join(values)}.")
    extensions = read_extensions(params["extensions"])
    sync = _sync(params["sync"], extensions)
    return Request(
        disks=disks,
        stage=params["stage"],
        generation=params["generation"],
        packages_directory=params["packages_directory"],
        virtio_win=params["virtio_win"],
        options=Options(
            interfaces=tuple(_interface(each) for each in params["interfaces"]),
            serial_console=params["serial_console"],
            extensions=tuple(in_sync(extensions, sync)),
            sync=sync,
        ),
        extensions=extensions,
        keys=tuple((each["device"], each["key"]) for each in params["encrypted"]),
    )


def _sync(given: Optional[Mapping[str, Any]], extensions: Sequence[Extension]) -> Sync:
    if given is not None:
        return Sync(given["migration_id"], given["number"], given["kind"])
    if extensions:
        raise InputError("Extensions are given, but not the sync that they are to run for.")
    return UNKNOWN_SYNC


def _interface(given: Mapping[str, Any]) -> Interface:
    macs = [normal_mac(mac) for mac in (given["source_mac"], given["target_mac"]) if mac]
    for mac in macs:
        if not _MAC.fullmatch(mac):
            raise InputError(f"{mac!r} is no MAC address; one looks like 00:50:56:aa:bb:01.")
    return Interface(given["name"], tuple(dict.fromkeys(macs)))


def as_result(report: Report) -> Dict[str, Any]:
    """Return the report as the module returns it."""
    result: Dict[str, Any] = {
        "plan": [describe(change) for change in report.plan.changes] if report.plan else [],
        "notes": _notes(report),
        "changed_extents": {
            name: [{"start": start, "length": length} for start, length in ranges]
            for name, ranges in report.changed.items()
        },
        "extensions": [_describe_extension(each) for each in report.extensions],
        "seconds": {step: round(seconds, 2) for step, seconds in report.seconds.items()},
    }
    if report.facts:
        result["guest"] = _describe_guest(report.facts)
    return result


def warnings(report: Report) -> List[str]:
    """Return what went wrong and was allowed to."""
    return [
        f"The extension {each.extension.name} failed"
        + (" by its timeout." if each.code is None else f" with {each.code}.")
        for each in report.extensions
        if each.state == FAILED
    ]


def has_changed(report: Report) -> bool:
    """Return whether anything was done, or in a trial would be."""
    changes = report.plan.changes if report.plan else ()
    ran = any(each.state in (RAN, FAILED, WOULD_RUN) for each in report.extensions)
    return bool(changes) or ran or report.finished_earlier


def diff(report: Report) -> List[Dict[str, str]]:
    """Return Ansible's diff of all that was done or would be. Extensions are told by name and digest."""
    shown = show_diff(report.plan.changes if report.plan else ())
    lines = [
        f"  {each.extension.stage}: {each.extension.title}\n"
        for each in report.extensions
        if each.state in _TOLD
    ]
    return [*shown, {"prepared": "extensions:\n" + "".join(lines)}] if lines else shown


def _describe_extension(outcome: Outcome) -> Dict[str, Any]:
    extension = outcome.extension
    told: Dict[str, Any] = {
        "name": extension.name,
        "kind": extension.kind,
        "stage": extension.stage,
        "sha256": extension.digest,
        "state": outcome.state,
    }
    if outcome.state not in (RAN, FAILED):
        return told
    return {
        **told,
        "code": outcome.code,
        "output": outcome.output,
        "output_cut": outcome.cut,
        "seconds": round(outcome.seconds, 2),
    }


def _notes(report: Report) -> List[str]:
    notes = list(report.plan.notes) if report.plan else []
    if report.finished_earlier:
        done = "is yet to be finished" if report.plan is None else "was finished"
        notes.insert(0, f"A preparation that an earlier run had decided {done}.")
    return notes


def _describe_guest(facts: Union[GuestFacts, WindowsFacts]) -> Dict[str, Any]:
    return describe_windows(facts) if isinstance(facts, WindowsFacts) else _summary(facts)


def _summary(facts: GuestFacts) -> Dict[str, Any]:
    root = facts.root
    return {
        "distribution": facts.distribution.title,
        "firmware": facts.firmware,
        "root": {
            "device": root.title,
            "disk": root.disk,
            "partition": root.partition,
            "type": root.kind,
            "uuid": root.uuid,
        },
        "default_kernel": facts.default_kernel,
        "kernels": [kernel.version for kernel in facts.kernels],
    }
