# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator sees of a sync while it runs."""

from __future__ import annotations

from ansible_collections.ferry.hvm.plugins.module_utils.units import GIB, MIB
from ansible_collections.ferry.hvm.plugins.plugin_utils.progress import (
    Progress,
    Reporter,
    describe,
    finish,
    parse_progress,
    summarize,
)


class Screen:
    """Takes what is shown, and holds the time."""

    def __init__(self, *, rewrites: bool) -> None:
        self.time = 0.0
        self.text = ""
        self.reporter = Reporter("web01", show=self.show, now=lambda: self.time, rewrites=rewrites)

    def show(self, text: str, newline: bool) -> None:
        self.text += text + ("\n" if newline else "")

    def report(self, percent: int, *, at: float) -> None:
        self.time = at
        self.reporter.report(progress(percent))

    @property
    def lines(self) -> int:
        return self.text.count("\n")


def progress(percent: int) -> Progress:
    return Progress(size=100 * MIB, done=percent * MIB, sent=0, rate=MIB, eta=100 - percent)


def test_disks_are_added_up() -> None:
    disks = [
        {"name": "sda", "size": 3 * GIB, "done": GIB, "sent": 10},
        {"name": "sdb", "size": GIB, "done": GIB, "sent": 20},
    ]
    told = parse_progress({"run": "r", "state": "running", "disks": disks, "rate": 5, "eta": None})
    assert told == Progress(size=4 * GIB, done=2 * GIB, sent=30, rate=5.0, eta=None)
    assert told.percent == 50.0


def test_line_tells_percent_amount_rate_saved_and_time_left() -> None:
    told = Progress(size=4 * GIB, done=GIB, sent=GIB // 4, rate=100 * MIB, eta=31.0)
    assert describe("web01", told) == (
        "web01:  25.0 %  1.0 GiB of 4.0 GiB, 100.0 MiB/s, 768.0 MiB not sent, 31 s left"
    )


def test_line_tells_no_time_that_is_not_known() -> None:
    told = Progress(size=GIB, done=0, sent=0, rate=0.0, eta=None)
    assert describe("web01", told).endswith("0 B not sent")


def test_disks_without_size_are_done() -> None:
    assert Progress(size=0, done=0, sent=0, rate=0.0, eta=None).percent == 100.0


def test_plain_lines_come_at_each_tenth() -> None:
    screen = Screen(rewrites=False)
    for percent in range(101):
        screen.report(percent, at=percent / 100)
    assert screen.lines == 11


def test_plain_lines_come_every_30_seconds_when_it_is_slow() -> None:
    screen = Screen(rewrites=False)
    for second in range(91):
        screen.report(1, at=float(second))
    assert screen.lines == 4


def test_plain_lines_do_not_rewrite() -> None:
    screen = Screen(rewrites=False)
    screen.report(1, at=0.0)
    screen.reporter.finish()
    assert screen.text == describe("web01", progress(1)) + "\n"


def test_a_terminal_has_one_line_written_over_and_then_ended() -> None:
    screen = Screen(rewrites=True)
    screen.report(1, at=0.0)
    screen.report(2, at=1.0)
    assert screen.lines == 0
    screen.reporter.finish()
    screen.reporter.finish()
    assert screen.text.split("\r\x1b[K")[1:] == [
        describe("web01", progress(1)),
        describe("web01", progress(2)) + "\n",
    ]


def test_a_message_gets_a_line_of_its_own_on_a_terminal() -> None:
    screen = Screen(rewrites=True)
    screen.report(1, at=0.0)
    screen.reporter.say("hello")
    assert screen.text.endswith("left\nweb01: hello\n")


REPORT = {"name": "sda", "size": GIB, "same": GIB - 2 * MIB, "zero": MIB, "data": MIB, "sent": MIB}


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
