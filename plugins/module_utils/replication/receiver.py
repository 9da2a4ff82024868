# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The receiver on the worker: runs a plan, in the foreground or detached. PRIVATE to the collection.

The run's directory holds key.pem and cert.pem, and gets `lock` (who is at work), `progress.json`,
`result.json` and `receiver.log`. The disks of the plan, and no others, are writable at the block layer
while the receiver runs, and read-only afterwards.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import stat
import sys
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, Callable, Iterable, Iterator, Mapping, TypeVar

from ..errors import FerryError, InputError
from ..units import show_exact_size
from . import ioctls
from .channel import dial
from .daemon import find_holder, spawn, stop_holder, take_lock
from .dialer import Dialer
from .errors import DiskError
from .lane import wait_for
from .limits import DIAL_TIMEOUT
from .plan import MOST_CONNECTIONS, DiskPair, DiskReport, SyncPlan, SyncReport
from .progress import DiskProgress, Progress, write_json
from .sync import DiskSync, raise_first
from .target_disks import PathTargetDisk, TargetDisk
from .tls import Identity, TlsEnd, target_end
from .watch import DiskWatch, WatchedDisk

log = logging.getLogger(__name__)

T = TypeVar("T")

PROGRESS = "progress.json"
RESULT = "result.json"
LOG = "receiver.log"
# The run's identity, put there by `ferry-identity`.
KEY = "key.pem"

# Progress is written this often, in seconds: what follows it looks no more often.
PROGRESS_INTERVAL = 1.0

# From a disk that hangs to the end of the run: time for the threads of the other disks to let go of them,
# and for the source to hear of it.
LEAVE = 10.0


def plan_sync(**fields: Any) -> SyncPlan:
    """Return a plan that can be run. Raises InputError for one that cannot."""
    disks = tuple(DiskPair(**disk) for disk in fields.pop("disks"))
    plan = SyncPlan(disks=disks, **fields)
    is_possible = plan.connections >= 0 and plan.disks_at_once > 0 and plan.most_for_a_disk > 0
    if not is_possible or plan.most_connections > MOST_CONNECTIONS:
        raise InputError(
            f"A sync uses at most {MOST_CONNECTIONS} connections, not {plan.connections} for each of "
            f"{plan.disks_at_once} disks at once."
        )
    if plan.stall_limit <= 0:
        raise InputError(f"No disk answers within {plan.stall_limit:.0f} s, the stall_limit.")
    if plan.initial and any(disk.target_index for disk in disks):
        raise InputError("Of a target that no sync has reached there is no target index.")
    for what, names in (
        ("source", [disk.source for disk in disks]),
        ("target", [os.path.realpath(disk.target) for disk in disks]),
    ):
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise InputError(
                f"Each {what} disk is synced once, but {sorted(twice)} is named twice."
            )
    return plan


def run_sync(
    plan: SyncPlan,
    *,
    stop: threading.Event | None = None,
    open_disk: Callable[[str], TargetDisk] = PathTargetDisk,
    connect: Callable[[], socket.socket] | None = None,
) -> SyncReport:
    """Make the plan's targets equal to their sources and return the proof.

    May be called again after any end; what is equal already is not sent again. Blocks; `stop` ends it
    early. Progress and result are in the plan's directory, the result also on failure. Raises
    FerryError: InputError before anything is written.
    """
    begin = time.monotonic()
    run = _Run(plan, stop or threading.Event())
    result: Mapping[str, Any] = {
        "state": "failed",
        "run": plan.run,
        "error": {
            "kind": "permanent",
            "what": "The receiver ended by a fault of its own.",
            "hint": f"Look into {os.path.join(plan.directory, LOG)} on the worker.",
        },
    }
    try:
        disks = run.sync_all(
            open_disk, connect or (lambda: dial(plan.address, plan.port, DIAL_TIMEOUT))
        )
        report = SyncReport(plan.run, round(time.monotonic() - begin, 3), disks)
        result = {"state": "done", **report.as_dict()}
    except FerryError as error:
        log.warning("Ending the sync: %s", error)
        result = {**result, "error": error.as_dict()}
        raise
    finally:
        run.progress.write(str(result["state"]))
        write_json(os.path.join(plan.directory, RESULT), result)
    return report


class _Run:
    """One run of a plan."""

    def __init__(self, plan: SyncPlan, stop: threading.Event) -> None:
        self._plan = plan
        self._stop = stop
        self._counters = [DiskProgress(disk.source, disk.size) for disk in plan.disks]
        self._watches = [DiskWatch(disk, plan.stall_limit) for disk in plan.disks]
        self.progress = Progress(plan.run, os.path.join(plan.directory, PROGRESS), self._counters)

    def sync_all(
        self, open_disk: Callable[[str], TargetDisk], connect: Callable[[], socket.socket]
    ) -> tuple[DiskReport, ...]:
        """Sync the disks, as many at once as planned; all are opened before the first byte is written.

        Raises DiskError for a disk that hangs. What waits for it is left behind with its disks open, so
        that no other file gets their numbers: the process must end.
        """
        dialer = Dialer(connect, _tls_end(self._plan), self._stop)
        with self._tell_progress():
            return self._watched(lambda: self._sync_all(open_disk, dialer))

    def _watched(self, work: Callable[[], T]) -> T:
        """Return what `work` returns. Looks meanwhile whether all disks move."""
        executor = ThreadPoolExecutor(1, "ferry-sync")
        working = executor.submit(work)
        executor.shutdown(wait=False)
        try:
            return wait_for(working, self._check_watches)
        except DiskError:
            if not working.done():
                self._stop.set()
                wait([working], LEAVE)
            raise

    def _check_watches(self) -> None:
        for watch in self._watches:
            watch.check()

    def _sync_all(
        self, open_disk: Callable[[str], TargetDisk], dialer: Dialer
    ) -> tuple[DiskReport, ...]:
        plan = self._plan
        with contextlib.ExitStack() as stack:
            disks = [
                self._open(pair, watch, open_disk, stack)
                for pair, watch in zip(plan.disks, self._watches)
            ]
            return self._run_all(
                DiskSync(plan, dialer, disk, counters, pair=pair, watch=watch, stop=self._stop)
                for disk, counters, pair, watch in zip(
                    disks, self._counters, plan.disks, self._watches
                )
            )

    def _run_all(self, syncs: Iterable[DiskSync]) -> tuple[DiskReport, ...]:
        """Run the syncs in their order. The first error ends them all and is raised here."""
        with ThreadPoolExecutor(self._plan.disks_at_once, "ferry-disk") as executor:
            reports = [executor.submit(sync.run) for sync in syncs]
            _unused, running = wait(reports, return_when=FIRST_EXCEPTION)
            if running:
                self._stop.set()
        raise_first(reports)
        return tuple(report.result() for report in reports)

    def _open(
        self,
        pair: DiskPair,
        watch: DiskWatch,
        open_disk: Callable[[str], TargetDisk],
        stack: contextlib.ExitStack,
    ) -> TargetDisk:
        with watch, watch.work("opening"):
            stack.enter_context(writable(pair.target))
            disk = WatchedDisk(open_disk(pair.target), watch)
        stack.callback(disk.close)
        if disk.size < pair.size:
            raise InputError(
                f"Target disk {pair.target} has {show_exact_size(disk.size)}, "
                f"but the source's disk {pair.source} needs {show_exact_size(pair.size)}.",
                hint="Give the target instance a volume of at least that size.",
            )
        return disk

    @contextlib.contextmanager
    def _tell_progress(self) -> Iterator[None]:
        """Write the progress file every second until the sync ends."""
        ended = threading.Event()

        def write() -> None:
            while not ended.wait(PROGRESS_INTERVAL):
                self.progress.write("running")

        self.progress.write("running")
        thread = threading.Thread(target=write, name="ferry-progress")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@contextlib.contextmanager
def writable(path: str) -> Iterator[None]:
    """Let the block device at `path` be written inside, by nobody else, and refuse writes afterwards.

    Linux lends it to one holder, and to none while it is mounted or part of LVM: who is refused has changed nothing,
    and only the holder seals. Raises DiskError. Not restored to what it was: a receiver that was killed leaves a disk
    writable, and the next one must not take that for how it should be.
    """
    if not _is_block(path):
        yield
        return
    held = _hold(path)
    try:
        ioctls.set_read_only(held, read_only=False)
        yield
    finally:
        ioctls.set_read_only(held, read_only=True)
        os.close(held)


def start_detached(plan: SyncPlan) -> int:
    """Run the plan in a daemon that outlives the caller; return its process id.

    Raises InputError while another receiver works in the directory. All that the daemon needs is
    imported by now: the caller's files may vanish.
    """
    lock = take_lock(plan.directory)
    try:
        for name in (PROGRESS, RESULT):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(plan.directory, name))
        return spawn(os.path.join(plan.directory, LOG), lock, lambda: receiver_main(plan))
    finally:
        lock.close()


def receiver_main(plan: SyncPlan) -> int:
    """Run the plan as a process of its own: signals end it cleanly. Returns the exit code.

    The run's private key is gone when it ends: a key lives as long as its run.
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run_sync(plan, stop=stop)
    except FerryError:
        return 1  # It is in the log and in the result.
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(plan.directory, KEY))
    return 0


def is_running(directory: str) -> bool:
    """Tell whether a receiver is at work in this run directory."""
    return find_holder(directory) is not None


def stop(directory: str) -> bool:
    """End the receiver of this run directory; return whether there was one. Its files stay."""
    return stop_holder(directory)


def _tls_end(plan: SyncPlan) -> TlsEnd:
    own = [_read(os.path.join(plan.directory, name)) for name in ("cert.pem", KEY)]
    return target_end(plan.run, Identity(own[0], own[1], plan.peer_certificate))


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as stream:
            return stream.read()
    except OSError as error:
        raise InputError(
            f"The run's identity {path} cannot be read: {error.strerror}.",
            hint="Run ferry-identity on the worker first.",
        ) from error


def _is_block(path: str) -> bool:
    return os.path.exists(path) and stat.S_ISBLK(os.stat(path).st_mode)


def _hold(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        raise DiskError(
            f"Cannot open {path}: {error.strerror}.",
            hint="Where it is busy something on the worker has it: another receiver, a mount, LVM.",
        ) from error
