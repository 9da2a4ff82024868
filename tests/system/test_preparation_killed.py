# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A preparation is ended at twenty moments, by a kill or by a power failure: the replica stays, or all is done.

The guest has one volume group over two disks. Several pairs of its disks, overlays over the same files, are
in one worker; a power failure, when all are free, is when those that were written to begin anew.

    time of a preparation:   |--- on overlays ---------------------------|- decide -|- copy -|
    disks:                   the verified replica                                   | mixed  | prepared
    moments:                 16 anywhere, by a seed                                   4 here

What is on the disks is judged from outside, by qemu-img, and byte by byte.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lab import qemu
from lab.migration import wait_for_report
from lab.settings import LabSettings
from lab.shapes.build import ShapedServer, ensure_shape
from tests.support.machine_lab import machine_lab
from tests.system.preparing_worker import (
    PreparingWorker,
    add_overlay,
    changed_granules,
    differs,
    flatten,
    packed_room,
    reported_granules,
    running_worker,
    wait_for_line,
)
from tests.system.shape_machines import new_mac, prepare_arguments, running_clone

# Half of all moments boot the worker once more, and each has a whole preparation after it.
pytestmark = [pytest.mark.boots, pytest.mark.soak, pytest.mark.timeout(1800)]

SEED = 20261128
MOMENTS = 20
DISKS = ("sda", "sdb")
# One under test, one for the next moment, which may be before the next power failure, one for that.
PAIRS = (("vdb", "vdc"), ("vdd", "vde"), ("vdf", "vdg"))

STOPPED = "stopped while copying, as process"

# Runs in the worker and says where it is. Of the write to a disk whose number is given it does a part,
# and goes no further: something else ends it there.
PREPARATION = """
import json, os, signal, sys
sys.path.insert(0, "/run/room.zip")
from module_utils.guest import direct_io, prepare, report
whole_write, whole_step, writes = direct_io.DirectDisk.write, prepare.Stopwatch.step, []
def write(disk, start, data):
    writes.append(start)
    if len(writes) == {stop_at}:
        whole_write(disk, start, data[:512])
        print("{stopped}", os.getpid(), flush=True)
        signal.pause()
    whole_write(disk, start, data)
def step(watch, name):
    print(name, flush=True)
    return whole_step(watch, name)
direct_io.DirectDisk.write, prepare.Stopwatch.step = write, step
done = prepare.prepare(report.read_request(json.loads({arguments!r})), trial=False)
print(json.dumps({{"writes": len(writes), **report.as_result(done)}}))
"""


class Moment(NamedTuple):
    """When a preparation ends, and how. `share` is of its time, or of its writes to the disks."""

    number: int
    by_power: bool
    within_copy: bool
    share: float

    def __str__(self) -> str:
        how = "power" if self.by_power else "kill"
        return f"{self.number}-{how}-{'copy' if self.within_copy else 'time'}-{self.share:.2f}"


def choose_moments() -> list[Moment]:
    """Return the moments of the seed, kills and power failures in turn, each fifth within the copy."""
    chance = random.Random(SEED)
    return [Moment(n, n % 2 == 1, n % 5 == 4, chance.random()) for n in range(MOMENTS)]


@dataclass
class Bench:
    """The worker, the guest, and which pairs of disks are still the replica."""

    worker: PreparingWorker
    server: ShapedServer
    images: dict[str, Path]
    written: set[tuple[str, str]] = field(default_factory=set)
    # The shortest of all preparations so far: what else the machine does changes them by the half.
    shortest: float = inf

    def renew(self, *, but: tuple[str, ...] = ()) -> None:
        """Every pair but this one is the replica again. The worker does not run."""
        for pair in PAIRS:
            if pair != but:
                for device, disk in zip(pair, DISKS, strict=True):
                    add_overlay(self.images[device], self.server.disks[disk])
        self.written.intersection_update([but])

    def start(self) -> None:
        """The worker runs again, with the code that prepares guests."""
        self.worker.start()
        self.hand_code()

    def hand_code(self) -> None:
        """The worker has the code that prepares guests, until it ends."""
        self.worker.on_worker("base64 -d > /run/room.zip", given=packed_room())

    def pristine(self) -> tuple[str, str]:
        """Return a pair that is the replica, and take it as written to from now on."""
        free = [pair for pair in PAIRS if pair not in self.written]
        self.written.add(free[0])
        return free[0]

    def arguments(self, pair: tuple[str, str], name: str) -> dict[str, Any]:
        """Return the module's arguments for a pair; `name` is that of its stage."""
        paths = {disk: f"/dev/{device}" for device, disk in zip(pair, DISKS, strict=True)}
        return prepare_arguments(self.server, paths, f"/var/lib/ferry/{name}")

    def begin(
        self, pair: tuple[str, str], name: str, *, stop_at: int = 0, kill_after: float = 0
    ) -> subprocess.Popen[bytes]:
        """Start a preparation, whose words go to `output(name)`; 0 is never."""
        # The options that Ansible would add.
        more: dict[str, Any] = {"virtio_win": None, "extensions": [], "sync": None}
        arguments = {**self.arguments(pair, name), **more}
        script = PREPARATION.format(
            stop_at=stop_at, stopped=STOPPED, arguments=json.dumps(arguments)
        )
        # Only the preparation itself is killed, as the kernel would when memory is short.
        limit = f"timeout --foreground --signal=KILL {kill_after:.2f} " if kill_after else ""
        with self.output(name).open("wb") as words:
            process = subprocess.Popen(
                [*self.worker.ssh(), f"{limit}python3 -"], stdin=subprocess.PIPE, stdout=words
            )
        assert process.stdin is not None
        process.stdin.write(script.encode())
        process.stdin.close()
        return process

    def run(self, pair: tuple[str, str], name: str) -> dict[str, Any]:
        """Prepare, undisturbed; return the module's result, and how many `writes` to the disks it took."""
        begin = time.monotonic()
        with self.begin(pair, name) as process:
            assert process.wait() == 0
        result: dict[str, Any] = json.loads(self.words(name)[-1])
        if result["plan"]:
            self.shortest = min(self.shortest, time.monotonic() - begin)
        return result

    def output(self, name: str) -> Path:
        return self.worker.lab.directory / f"{name}.out"

    def words(self, name: str) -> list[str]:
        """Return the steps that the preparation began, and what it returned."""
        return self.output(name).read_text().splitlines()

    def record(self, name: str) -> dict[str, Any] | None:
        """Return the record of what was decided, None if nothing was."""
        path = f"/var/lib/ferry/{name}/record.json"
        found = self.worker.on_worker(f"if test -e {path}; then cat {path}; fi")
        record: dict[str, Any] | None = json.loads(found) if found else None
        return record

    def flush(self, pair: tuple[str, str]) -> None:
        """QEMU has written down all that it knows of a pair."""
        self.worker.on_worker("sync " + " ".join(f"/dev/{device}" for device in pair))

    def differs(self, pair: tuple[str, str]) -> bool:
        """Return whether any byte of the flushed pair is not the replica's."""
        pairs = zip(pair, DISKS, strict=True)
        return any(differs(self.images[dev], self.server.disks[disk]) for dev, disk in pairs)

    def digests(self, pair: tuple[str, str]) -> list[str]:
        """Return the digests of the pair's files: any write at all changes them."""
        self.flush(pair)
        return [hashlib.sha256(self.images[dev].read_bytes()).hexdigest() for dev in pair]

    def assert_prepared(self, pair: tuple[str, str], name: str, result: dict[str, Any]) -> None:
        """The pair differs from the replica where it was said, and there it is what was decided."""
        record = self.record(name)
        assert record is not None
        assert record["state"] == "applied"
        self.flush(pair)
        for device, disk, decided in zip(pair, DISKS, record["disks"], strict=True):
            flat = self.worker.lab.directory / "flat.raw"
            flatten(self.images[device], flat)
            changed = changed_granules(flat, self.server.disks[disk])
            assert changed == reported_granules(result, disk)
            assert digest_of(flat, decided["extents"]) == decided["digest"]


def digest_of(flat: Path, extents: list[tuple[int, int, int]]) -> str:
    """Return the digest that a record has of what was decided, from what lies on the disk."""
    digest = hashlib.sha256(json.dumps(extents).encode())
    with flat.open("rb") as disk:
        for start, length, _store_start in extents:
            disk.seek(start)
            digest.update(disk.read(length))
    return digest.hexdigest()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSettings]:
    with machine_lab("kills", 9, tmp_path_factory.mktemp("kills"), dhcp=True) as made:
        yield made


@pytest.fixture(scope="module")
def bench(lab: LabSettings) -> Iterator[Bench]:
    server = ensure_shape("lvm")
    images = {device: lab.directory / f"{device}.qcow2" for pair in PAIRS for device in pair}
    for pair in PAIRS:
        for device, disk in zip(pair, DISKS, strict=True):
            add_overlay(images[device], server.disks[disk])
    with running_worker(lab, images) as worker:
        made = Bench(worker, server, images)
        made.hand_code()
        yield made


@pytest.fixture(scope="module")
def undisturbed(bench: Bench) -> dict[str, Any]:
    """What a preparation that nobody ended returns."""
    pair = bench.pristine()
    first = bench.digests(pair)
    tried = bench.worker.prepare(bench.arguments(pair, "undisturbed"), "--check", "--diff")
    assert tried["changed"]
    assert bench.digests(pair) == first
    result = bench.run(pair, "undisturbed")
    assert result["plan"] == tried["plan"]
    bench.assert_prepared(pair, "undisturbed", result)
    last = bench.digests(pair)
    again = bench.run(pair, "undisturbed")
    assert (again["plan"], again["changed_extents"]) == ([], {"sda": [], "sdb": []})
    assert bench.digests(pair) == last
    print(f"undisturbed: {bench.shortest:.0f} s, {result['writes']} writes")
    return result


@pytest.mark.parametrize("moment", choose_moments(), ids=str)
def test_an_ended_preparation_left_the_replica_or_is_finished(
    bench: Bench, undisturbed: dict[str, Any], moment: Moment
) -> None:
    if len(bench.written) == len(PAIRS):
        bench.worker.lose_power()
        bench.renew()
        bench.start()
    pair, name = bench.pristine(), f"moment-{moment.number}"
    end(bench, pair, moment, undisturbed["writes"])
    steps = bench.words(name) or ["none yet"]
    step = steps[-1].partition("{")[0] or "none any more"
    if moment.by_power:
        bench.worker.lose_power()
        bench.renew(but=pair)
        mixed = bench.differs(pair)
        bench.start()
    else:
        bench.flush(pair)
        mixed = bench.differs(pair)
    record = bench.record(name)
    assert record or not mixed
    state = record["state"] if record else "undecided"
    assert state == "committed" or not moment.within_copy
    result = bench.run(pair, name)
    if record is None:
        assert result["plan"] == undisturbed["plan"]
    else:
        assert result["plan"] == []
    # What was all done before its end is not said again.
    if state != "applied":
        bench.assert_prepared(pair, name, result)
    print(f"{moment}: in step {step!r}, {state}, disks {'mixed' if mixed else 'the replica'}")


def end(bench: Bench, pair: tuple[str, str], moment: Moment, writes: int) -> None:
    """A preparation of the pair has come to the moment, and if it is a kill, is dead.

    An undisturbed one took about so many `writes` to the disks; some more or less with each.
    """
    name, seconds = f"moment-{moment.number}", moment.share * bench.shortest
    if moment.within_copy:
        stop_at = 1 + int(moment.share * writes * 0.8)
        process = bench.begin(pair, name, stop_at=stop_at)
        stopped = wait_for_line(re.compile(STOPPED), bench.output(name), deadline=600)
        if not moment.by_power:
            bench.worker.on_worker(f"kill -KILL {stopped.removeprefix(STOPPED)}")
    else:
        process = bench.begin(pair, name, kill_after=0 if moment.by_power else seconds)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds if moment.by_power else None)
    if moment.by_power:
        process.kill()
    process.wait()


def test_what_was_ended_while_it_was_copied_boots(
    bench: Bench, lab: LabSettings, undisturbed: dict[str, Any]
) -> None:
    moment = Moment(MOMENTS, True, True, 0.5)
    bench.worker.lose_power()
    bench.renew()
    bench.start()
    pair, name = bench.pristine(), f"moment-{moment.number}"
    end(bench, pair, moment, undisturbed["writes"])
    bench.worker.lose_power()
    bench.start()
    bench.run(pair, name)
    bench.flush(pair)
    asyncio.run(qemu.cut_off(bench.worker.worker.directory))
    disks = {disk: bench.images[device] for device, disk in zip(pair, DISKS, strict=True)}
    with running_clone(lab, bench.server, disks) as machine:
        report = wait_for_report(machine.console, 0)
    assert report.root == "/dev/mapper/vg0-root"
    assert report.failed_units == ()
    assert report.data_is_intact
    assert [nic.mac for nic in report.interfaces] == [new_mac(bench.server)]
