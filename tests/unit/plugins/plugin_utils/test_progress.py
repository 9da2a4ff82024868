# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator sees of a sync while it runs."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.units import GIB, MIB
from ansible_collections.ferry.hvm.plugins.plugin_utils.progress import (
    DiskProgress,
    Progress,
    Reporter,
    describe,
    finish,
    parse_progress,
    summarize,
)


class Screen:
    """Takes what is shown, and holds the time."""

    def __init__(self, *, width: int | None) -> None:
        self.time = 0.0
        self.text = ""
        self.reporter = Reporter("web01", show=self.show, now=lambda: self.time, width=width)

    def show(self, text: str, newline: bool) -> None:
        self.text += text + ("\n" if newline else "")

    def report(self, percent: int, *, at: float) -> None:
        self.time = at
        self.reporter.report(progress(percent))

    @property
    def lines(self) -> int:
        return self.text.count("\n")


def progress(percent: int) -> Progress:
    done = percent * MIB
    disk = DiskProgress("sda", 100 * MIB, done, same=0, zero=0, data=done, sent=done)
    return Progress((disk,), rate=MIB, eta=100 - percent)


DOCUMENT = {
    "run": "r",
    "state": "running",
    "disks": [
        {"name": "sda", "size": GIB, "done": GIB, "same": GIB, "zero": 0, "data": 0, "sent": 10},
        {
            "name": "sdb",
            "size": GIB,
            "done": 3 * MIB,
            "same": 0,
            "zero": MIB,
            "data": 2 * MIB,
            "sent": MIB,
        },
        {"name": "sdc", "size": 2 * GIB, "done": 0, "same": 0, "zero": 0, "data": 0, "sent": 0},
    ],
    "rate": 5 * MIB,
    "eta": 612,
}


def test_disks_are_told_one_by_one_and_together() -> None:
    told = parse_progress(DOCUMENT)
    assert [disk.percent for disk in told.disks] == [100.0, 100.0 * 3 / 1024, 0.0]
    assert told.total == ("", 4 * GIB, GIB + 3 * MIB, GIB, MIB, 2 * MIB, MIB + 10)
    assert (told.rate, told.eta) == (5 * MIB, 612)


def test_line_tells_percent_time_left_amount_rate_saved_and_disks() -> None:
    assert describe("web01", parse_progress(DOCUMENT)) == (
        "web01:  25.1 %, 10 min 12 s left, 1.0 GiB of 4.0 GiB at 5.0 MiB/s; "
        "saved 1.0 GiB same, 1.0 MiB zero, 1024.0 KiB packed; 1 of 3 disks done, sdb 0.3 %"
    )


def test_line_of_one_disk_tells_it_once_and_no_time_that_is_not_known() -> None:
    told = progress(10)._replace(rate=0.0, eta=None)
    assert describe("web01", told) == (
        "web01:  10.0 %, 10.0 MiB of 100.0 MiB at 0 B/s; saved 0 B same, 0 B zero, 0 B packed"
    )


def test_what_was_sent_beside_the_data_saves_nothing() -> None:
    disk = DiskProgress("sda", MIB, MIB, same=0, zero=0, data=MIB, sent=2 * MIB)
    assert "0 B packed" in describe("web01", Progress((disk,), 0.0, None))


def test_disks_without_size_are_done() -> None:
    assert DiskProgress("sda", 0, 0, 0, 0, 0, 0).percent == 100.0


def test_plain_lines_come_at_each_tenth_when_that_takes_minutes() -> None:
    screen = Screen(width=None)
    for percent in range(101):
        screen.report(percent, at=10.0 * percent)
    assert screen.lines == 11


def test_plain_lines_are_a_minute_apart_when_a_tenth_takes_less() -> None:
    screen = Screen(width=None)
    for percent in range(101):
        screen.report(percent, at=1.3 * percent)
    assert screen.lines == 3


def test_a_plain_line_comes_every_five_minutes_when_it_is_slow() -> None:
    screen = Screen(width=None)
    for second in range(901):
        screen.report(1, at=float(second))
    assert screen.lines == 4


def test_plain_lines_do_not_rewrite() -> None:
    screen = Screen(width=None)
    screen.report(1, at=0.0)
    screen.reporter.finish()
    assert screen.text == describe("web01", progress(1)) + "\n"


def test_a_terminal_has_one_line_written_over_and_then_ended() -> None:
    screen = Screen(width=200)
    screen.report(1, at=0.0)
    screen.report(2, at=1.0)
    assert screen.lines == 0
    screen.reporter.finish()
    screen.reporter.finish()
    assert screen.text.split("\r\x1b[K")[1:] == [
        describe("web01", progress(1)),
        describe("web01", progress(2)) + "\n",
    ]


def test_a_line_that_is_written_over_never_wraps() -> None:
    screen = Screen(width=40)
    screen.report(1, at=0.0)
    assert screen.text == "\r\x1b[K" + describe("web01", progress(1))[:39]


def test_a_message_gets_a_line_of_its_own_on_a_terminal() -> None:
    screen = Screen(width=200)
    screen.report(1, at=0.0)
    screen.reporter.say("hello")
    assert screen.text.endswith("packed\nweb01: hello\n")


REPORT: dict[str, Any] = {
    "name": "sda",
    "size": GIB,
    "same": GIB - 2 * MIB,
    "zero": MIB,
    "data": MIB,
    "sent": MIB,
    "claim": {"target_index": None},
}


def test_a_result_joins_how_a_disk_was_found_and_how_it_went() -> None:
    planned = {"name": "sda", "size": GIB, "target": "/dev/vdb", "found_by": "serial"}
    result = {"state": "done", "run": "r", "seconds": 65.0, "disks": [REPORT]}
    done = finish({"run": "r", "state": "running", "disks": [planned], "result": result})
    assert done == {
        "run": "r",
        "state": "done",
        "seconds": 65.0,
        "disks": [{**planned, **REPORT, "compared": GIB}],
    }
    assert summarize(done) == (
        "1.0 GiB in sync after 1 min 05 s: "
        "1022.0 MiB the same, 1.0 MiB zero, 1.0 MiB of data that took 1.0 MiB to send"
    )


def test_the_last_line_tells_how_a_vms_disks_were_read() -> None:
    read = [
        {**REPORT, "name": "disk-2000", "reader": "datastore", "delta_reason": ""},
        {**REPORT, "name": "disk-2001", "reader": "export", "delta_reason": "change_id_reset"},
    ]
    told = summarize({"seconds": 1.0, "disks": read}).partition("; ")[2]
    assert told == "read: disk-2000 by datastore, disk-2001 by export, whole (change_id_reset)"


def used(**bytes_of: int) -> dict[str, Any]:
    """A claim with what became of a target index."""
    return {"target_index": {"offered": 0, "adopted": 0, "sampled": 0, "read": GIB, **bytes_of}}


TARGETS: dict[str, tuple[dict[str, Any], str]] = {
    "it was used": (
        {"claim": used(offered=GIB, adopted=GIB, sampled=MIB)},
        "sda 1.0 GiB by its index, 1.0 MiB of that read",
    ),
    "the sample differs": (
        {"claim": used(offered=GIB, sampled=MIB)},
        "sda all compared (it is not what its index says)",
    ),
    "nothing is offered": (
        {"claim": used()},
        "sda all compared (the source vouches for none of it)",
    ),
    "in doubt": (
        {"target_index_reason": "it is torn"},
        "sda all compared (it is torn)",
    ),
}


@pytest.mark.parametrize(("more", "words"), TARGETS.values(), ids=TARGETS)
def test_the_last_line_tells_what_a_target_index_saved_or_why_it_did_not(
    more: dict[str, Any], words: str
) -> None:
    line = summarize({"seconds": 1.0, "disks": [{**REPORT, **more}]})
    assert line.partition("; ")[2] == f"target: {words}"
