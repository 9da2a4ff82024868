# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One vCenter by hand: `python -m lab.vcenter build`, `check`, `start --directory D [--inventory FILE]`, `stop --directory D`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..errors import LabError
from ..settings import cache_directory
from .build import check_sources, ensure_program
from .server import start_vcenter, stop_vcenter


def main() -> int:
    """Carry out the command; 1 with a message on failure."""
    options = _parser().parse_args()
    try:
        _carry_out(options)
    except LabError as error:
        print(f"lab.vcenter: {error}", file=sys.stderr)
        return 1
    return 0


def _carry_out(options: argparse.Namespace) -> None:
    if options.command == "build":
        print(ensure_program(cache_directory()))
    elif options.command == "check":
        check_sources(cache_directory())
    elif options.command == "stop":
        stop_vcenter(options.directory.resolve())
    else:
        _start(options)


def _start(options: argparse.Namespace) -> None:
    inventory = json.loads(options.inventory.read_text()) if options.inventory else {}
    vcenter = start_vcenter(
        options.directory.resolve(),
        inventory,
        address=options.address,
        port=options.port,
        plain=options.plain,
    )
    print(f"URL={vcenter.url} PID={vcenter.pid}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.vcenter", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build the program, where the cache has it not")
    commands.add_parser("check", help="gofmt and go vet over its sources")
    start = commands.add_parser("start", help="start a vCenter, and print its URL and process id")
    stop = commands.add_parser("stop", help="end the one that runs over the directory")
    for command in (start, stop):
        command.add_argument("--directory", type=Path, required=True, help="where its files are")
    start.add_argument("--inventory", type=Path, help="JSON file with machines: see CONTROL.md")
    start.add_argument("--address", default="127.0.0.1", help="the IP address to answer on")
    start.add_argument("--port", type=int, default=0, help="0: any that is free")
    start.add_argument("--plain", action="store_true", help="the packaged simulator alone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
