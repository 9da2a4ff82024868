# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package files of QEMU's guest agent for Debian guests, as an operator would gather them.

<cache>/agent/<key>/debian-12/qemu-guest-agent_*.deb, ...
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from .command import run
from .guests.debian import debian_sources
from .recipe import only_one_builder, recipe_key
from .settings import cache_directory

# What the agent needs, but for what every Debian with a Python has.
_PACKAGES = {
    "bullseye": ("11", ("qemu-guest-agent", "libglib2.0-0", "liburing1", "lsb-base")),
    "bookworm": ("12", ("qemu-guest-agent", "libglib2.0-0", "libnuma1", "liburing2")),
    "trixie": ("13", ("qemu-guest-agent", "libglib2.0-0t64", "libnuma1", "liburing2")),
}
# apt downloads into the folder that it runs in.
_DOWNLOAD = 'cd "$1" && shift && exec apt-get "$@"'


def ensure_agent(release: str) -> Path:
    """Return the folder of the release's package files (`debian-12`), downloaded if it is not there yet.

    Raises LabError when apt cannot get them.
    """
    version, packages = _PACKAGES[release]
    agents = cache_directory() / "agent"
    folder = agents / recipe_key(Path(__file__).parent / "guests") / f"debian-{version}"
    with only_one_builder(agents):
        if not folder.exists():
            folder.parent.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=agents) as scratch:
                made = Path(scratch, "made")
                made.mkdir()
                _download(release, packages, Path(scratch), made)
                made.rename(folder)
    return folder


def _download(release: str, packages: tuple[str, ...], scratch: Path, target: Path) -> None:
    sources = scratch / "sources.list"
    sources.write_text(debian_sources(release))
    for place in ("lists/partial", "cache/archives/partial"):
        (scratch / place).mkdir(parents=True)
    own = {
        "Dir::State::lists": scratch / "lists",
        "Dir::Cache": scratch / "cache",
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        # Of no interest here: what this host has installed.
        "Dir::State::status": "/dev/null",
        "APT::Sandbox::User": "root",
    }
    options = [word for name, value in own.items() for word in ("-o", f"{name}={value}")]
    run("apt-get", *options, "--quiet=2", "update")
    run("sh", "-c", _DOWNLOAD, "sh", str(target), *options, "--quiet=2", "download", *packages)
