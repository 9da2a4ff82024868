# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line: `python -m lab up`, `down`, `status`, `demo`, `images`."""

from __future__ import annotations

import argparse
import os
import sys

from . import demo, migration
from .errors import LabError
from .settings import LabSettings, lab_settings
from .up import bring_up, take_down, tell_status


def main() -> int:
    """Carry out the command; 1 with a message on failure."""
    options = _parser().parse_args()
    try:
        lab = lab_settings(options.name, options.index)
        _refuse_others_than_root()
        _carry_out(options, lab)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


def _carry_out(options: argparse.Namespace, lab: LabSettings) -> None:
    if options.command == "up":
        bring_up(lab, _names(options.sources))
    elif options.command == "down":
        take_down(lab, keep=options.keep)
    elif options.command == "demo":
        demo.show_os(lab) if options.os else demo.show(lab)
    elif options.command == "images":
        migration.build_images()
    else:
        tell_status(lab)


def _names(given: str) -> list[str]:
    """The names in a list with commas; `none` stands for no name."""
    return [] if given == "none" else given.split(",")


def _refuse_others_than_root() -> None:
    if os.geteuid() != 0:
        raise LabError("The lab makes network namespaces and taps", "Run it as root.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the lab, or what of it does not run")
    up.add_argument("--sources", default="web01", help="source servers: web01,db01, or none")
    down = commands.add_parser("down", help="end the lab and remove what it made")
    down.add_argument("--keep", action="store_true", help="keep its directory: disks, logs, state")
    status = commands.add_parser("status", help="tell what of the lab runs")
    shown = commands.add_parser("demo", help="migrate a server in the lab, and prove its clone")
    shown.add_argument("--os", action="store_true", help="a running server instead of a VM")
    images = commands.add_parser(
        "images", help="build what the labs boot, where the cache has it not"
    )
    for command in (up, down, status, shown, images):
        command.add_argument("--name", default="demo", help="which lab (demo, test, or any other)")
        command.add_argument("--index", type=int, help="2 to 15, for a lab of any other name")
    return parser


if __name__ == "__main__":
    sys.exit(main())
