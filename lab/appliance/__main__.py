# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one appliance in the foreground: `python -m lab.appliance --directory DIR ...`.

The password is read from a file: it must not be seen in the list of processes.
"""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

from ..hardware import Acceleration
from ..settings import USERNAME
from .server import serve
from .settings import ApplianceSettings


def main() -> None:
    options = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    # The library logs each failed visit to a machine; the lab says it better, where it matters.
    logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)
    settings = ApplianceSettings(
        directory=options.directory.resolve(),
        username=options.username,
        password=options.password_file.read_text().strip(),
        real_machines=options.machines == "qemu",
        namespace=options.namespace,
        acceleration=Acceleration(options.acceleration),
    )
    if options.pid_file:
        options.pid_file.write_text(str(os.getpid()))
    serve(settings, options.address, options.port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.appliance", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="where its files are")
    parser.add_argument("--address", default="127.0.0.1", help="the IP address to answer on")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--username", default=USERNAME)
    parser.add_argument("--password-file", type=Path, required=True)
    parser.add_argument("--namespace", default="", help="the namespace with the lab's bridges")
    parser.add_argument("--machines", choices=["qemu", "none"], default="qemu")
    acceleration = [each.value for each in Acceleration]
    parser.add_argument("--acceleration", choices=acceleration, default=Acceleration.TCG.value)
    parser.add_argument("--pid-file", type=Path, help="where to write its process id")
    return parser


if __name__ == "__main__":
    main()
