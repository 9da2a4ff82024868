# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Tasks of a vCenter: awaiting them, and finding those that a killed run left at work. PRIVATE to the collection.

A task's info is read by path: on some servers (govmomi's simulator 0.24) pyvmomi cannot decode the whole of it.
"""

from __future__ import annotations

from typing import Any, Callable, List, Optional, TypeVar

from ..errors import FerryError
from ..waiting import Waiter
from . import faults, properties
from .errors import GoneError, LostAnswerError, UnreachableError
from .properties import Properties
from .session import Session

Done = TypeVar("Done")

INFO = ("info.state", "info.result", "info.error", "info.progress", "info.descriptionId")


def finish(session: Session, task: Any, waiter: Waiter, *, what: str) -> Any:
    """Return the task's result when it has succeeded.

    Raises what its fault means, `TooSlowError`, or `LostAnswerError` for a task that the vCenter forgot
    (it does when it restarts), and for one whose host it lost: the work may be done or not.
    """
    try:
        info = waiter.until(
            lambda: properties.read(session, task, INFO),
            lambda seen: seen["info.state"] in ("success", "error"),
            what=what,
            describe=_describe,
        )
    except GoneError:
        raise LostAnswerError(f"The vCenter has forgotten its task: {what}.") from None
    if info["info.state"] == "error":
        raise _failure(info, what)
    return info.get("info.result")


def finish_running(session: Session, vm: Any, waiter: Waiter) -> None:
    """Return when no task on the VM's snapshots is at work, whoever asked for it and whatever came of it.

    A snapshot leaves the VM's tree before its removal has ended, so the tree alone does not tell.
    """
    what = f"tasks on the snapshots of {faults.show_ref(vm)}"
    waiter.until(
        lambda: [each for each in _recent(session, vm) if _is_at_work(each)],
        lambda running: not running,
        what=f"{what} to end",
        describe=lambda running: "; ".join(_describe(each) for each in running),
    )


def insist(
    ask: Callable[[], Done], look: Callable[[], Optional[Done]], waiter: Waiter, *, what: str
) -> Done:
    """Return what `ask` returns; where its answer is lost, what `look` finds, each time before asking again.

    `look` returns None if `ask` was not heard. A vCenter, or a VM, that is busy is asked again until the
    waiter's time is over. Raises `TooSlowError` then.
    """
    is_in_doubt = False

    def ask_or_look() -> Done:
        nonlocal is_in_doubt
        found = look() if is_in_doubt else None
        if found is not None:
            return found
        try:
            return ask()
        except LostAnswerError:
            # For good: it may come to light later, or not be seen now because the vCenter is away.
            is_in_doubt = True
            found = look()
            if found is None:
                raise
            return found

    return waiter.until(ask_or_look, lambda _done: True, what=what, describe=str)


def _recent(session: Session, vm: Any) -> List[Properties]:
    found = []
    for task in properties.read(session, vm, ["recentTask"]).get("recentTask", ()):
        try:
            found.append(properties.read(session, task, INFO))
        except GoneError:
            continue  # It was forgotten between the two questions, so it had ended.
    return found


def _is_at_work(info: Properties) -> bool:
    """VirtualMachine.createSnapshot, VirtualMachine.consolidateDisks, vm.Snapshot.remove, ..."""
    name = str(info.get("info.descriptionId")).lower()
    is_ours = "snapshot" in name or "consolidat" in name
    return is_ours and info["info.state"] in ("queued", "running")


def _describe(info: Properties) -> str:
    progress = info.get("info.progress")
    told = "" if progress is None else f", {progress} %"
    return f"{info.get('info.descriptionId', 'the task')} is {info['info.state']}{told}"


def _failure(info: Properties, what: str) -> FerryError:
    """A host that the vCenter lost in the midst of a task may have done its work."""
    error = faults.from_fault(info["info.error"], what=what)
    if isinstance(error, UnreachableError):
        return LostAnswerError(error.what, hint=error.hint)
    return error
