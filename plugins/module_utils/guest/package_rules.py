# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Rules for packages: the old platform's tools go, the new platform's agent comes."""

from __future__ import annotations

import os
import re
from typing import List, Mapping, Tuple

from .changes import InstallPackages, RemovePackages
from .dpkg import dependents
from .facts import GuestFacts, Package
from .families import RPM, family_of
from .rules import Note, Options, Results

_TOOLS = re.compile(
    r"open-vm-tools(?:-.+)?|libvmtools\d*|(?:kmod-)?vmware-tools(?:-.+)?|VMwareTools"
    r"|virtualbox-guest-.+"
    r"|hyperv-(?:daemons|tools)(?:-.+)?|hyperv(?:kvp|vss|fcopy)d|hyper-v"
    # Ubuntu's, for Hyper-V: a package for each kernel, and those that follow the newest.
    r"|linux(?:-.+)?-cloud-tools(?:-.+)?|hv-kvp-daemon-init"
    r"|xe-guest-utilities(?:-.+)?|xen-tools-domU"
)
_AGENT = "qemu-guest-agent"


def tools(facts: GuestFacts, _options: Options) -> Results:
    """The old platform's guest tools are gone, but for those that another package cannot do without."""
    found = sorted(name for name in facts.packages if _TOOLS.fullmatch(name))
    for name in _still_needed(found, facts):
        users = ", ".join(dependents([*found], facts.packages))
        yield Note(f"The package {name} stays, because it is needed by {users}.")
    removable = [name for name in found if name not in _still_needed(found, facts)]
    if removable:
        why = "these tools serve the old platform only"
        manager = family_of(facts.distribution).remove
        yield RemovePackages(tuple(removable), why, manager)
    for path in facts.tools_outside_packages:
        yield Note(f"Tools without a package are installed; their uninstaller is {path}.")


def guest_agent(facts: GuestFacts, options: Options) -> Results:
    """The platform's agent is installed if its packages are at hand."""
    if _AGENT in facts.packages:
        return
    files = _lacking(options.agent_packages, facts.packages)
    if any(_name(path) == _AGENT for path in files):
        why = "the platform reads the guest's addresses and stops it through its agent"
        manager = family_of(facts.distribution).install
        yield InstallPackages((_AGENT,), files, why, manager)
    else:
        yield Note(
            f"{_AGENT} is not installed and no packages for it were given: install it after the"
            " migration, so that the platform knows the guest's addresses."
        )


def _lacking(files: Tuple[str, ...], installed: Mapping[str, Package]) -> Tuple[str, ...]:
    """Return the files of packages that the guest does not have: what it has may be newer, and stays."""
    return tuple(path for path in files if _name(path) not in installed)


def _name(path: str) -> str:
    """Return the package in a file of this name: `name_version_architecture.deb` (Debian Policy 5.6.1) or
    `name-version-release.architecture.rpm`.
    """
    name = os.path.basename(path)
    return name.rsplit("-", 2)[0] if name.endswith(RPM.suffix) else name.split("_")[0]


def _still_needed(found: List[str], facts: GuestFacts) -> List[str]:
    """Return which of the tools must stay: packages outside need them, or need what needs them."""
    needed = set()  # type: set[str]
    users = [facts.packages[name] for name in dependents(found, facts.packages)]
    while users:
        for name in users.pop().needs & set(found) - needed:
            needed.add(name)
            users.append(facts.packages[name])
    return sorted(needed)
