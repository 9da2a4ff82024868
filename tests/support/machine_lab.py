# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of networks and an operator's key, for tests that boot single machines in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import network, services
from lab.command import run
from lab.settings import LabSettings


@contextmanager
def machine_lab(
    name: str, index: int, folder: Path, *, dhcp: bool = False
) -> Iterator[LabSettings]:
    """The lab's networks are up for as long as the block runs; no two labs at a time have an index.

    With `dhcp` they give addresses, as those of a real platform do.
    """
    lab = LabSettings(name, index, folder)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(lab.operator_key))
    network.take_down(lab)  # What a run left that was killed.
    network.bring_up(lab)
    try:
        if dhcp:
            services.ensure_dhcp(lab)
        yield lab
    finally:
        services.stop_services(lab)
        network.take_down(lab)
