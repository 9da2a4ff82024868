# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's two long-running services: DHCP on the migration network, and the appliance.

Both run in the lab's namespace and outlive the command that starts them.
"""

from __future__ import annotations

import secrets
import shutil
import sys
from pathlib import Path

from . import process
from .command import run
from .hardware import Acceleration
from .network import inside
from .settings import APPLIANCE_PORT, MIGRATION, LabSettings

CHECKOUT = Path(__file__).resolve().parent.parent
# A server is up in about a second; a busy machine takes longer. In seconds.
START_DEADLINE = 30.0
FIRST_LEASE, LAST_LEASE = 100, 199


def ensure_dhcp(lab: LabSettings) -> bool:
    """Workers get addresses on the migration network; return whether it had to be started."""
    if process.find_pid(lab.dhcp_pid_file) is not None:
        return False
    run(*inside(lab.namespace), *_dnsmasq_command(lab))
    return True


def ensure_appliance(lab: LabSettings, acceleration: Acceleration) -> bool:
    """The appliance answers at its URL; return whether it had to be started.

    Its certificate lies in the lab's directory, where clients look for it.
    """
    if process.find_pid(lab.appliance_pid_file) is not None:
        return False
    lab.appliance_directory.mkdir(parents=True, exist_ok=True)
    ensure_password(lab.password_file)
    endpoint, log = lab.appliance_directory / "endpoint", lab.appliance_directory / "server.log"
    endpoint.unlink(missing_ok=True)
    command = [*inside(lab.namespace), *_appliance_command(lab, acceleration)]
    server = process.start_detached(command, log=log, directory=CHECKOUT)
    process.wait_for_line(endpoint, server, log=log, deadline=START_DEADLINE)
    shutil.copyfile(lab.appliance_directory / "appliance.crt", lab.certificate)
    return True


def stop_services(lab: LabSettings) -> None:
    """Neither service runs; the appliance's machines are not its services, and go on."""
    process.end(lab.appliance_pid_file)
    process.end(lab.dhcp_pid_file)


def ensure_password(file: Path) -> None:
    """A password of this lab alone lies in the file, for its owner only."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(12))


def _dnsmasq_command(lab: LabSettings) -> list[str]:
    leases = f"{lab.migration[FIRST_LEASE]},{lab.migration[LAST_LEASE]},255.255.255.0,12h"
    return [
        "dnsmasq",
        "--conf-file=/dev/null",
        # DHCP only, on one interface of the namespace.
        "--port=0",
        f"--interface={MIGRATION}",
        "--except-interface=lo",
        "--bind-interfaces",
        "--dhcp-authoritative",
        f"--dhcp-range={leases}",
        f"--dhcp-option=option:router,{lab.migration[1]}",
        # Each offer would wait three seconds for an answer to a ping that nobody sends.
        "--no-ping",
        f"--dhcp-leasefile={lab.directory / 'dnsmasq.leases'}",
        f"--log-facility={lab.directory / 'dnsmasq.log'}",
        # It would give up root for a user who may not enter root's cache directory.
        "--user=root",
        f"--pid-file={lab.dhcp_pid_file}",
    ]


def _appliance_command(lab: LabSettings, acceleration: Acceleration) -> list[str]:
    return [
        sys.executable,
        *("-m", "lab.appliance"),
        *("--directory", str(lab.appliance_directory)),
        *("--address", str(lab.appliance_address)),
        *("--port", str(APPLIANCE_PORT)),
        *("--password-file", str(lab.password_file)),
        *("--namespace", lab.namespace),
        *("--acceleration", acceleration.value),
        *("--pid-file", str(lab.appliance_pid_file)),
    ]
