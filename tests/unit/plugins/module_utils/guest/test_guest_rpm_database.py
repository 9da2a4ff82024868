# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real database of RPM, of Debian's rpm: what is told of it, and removal where scripts cannot run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest import rpm
from ansible_collections.ferry.hvm.plugins.module_utils.guest.apply import apply_plan
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import Plan, RemovePackages
from ansible_collections.ferry.hvm.plugins.module_utils.guest.commands import run
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PreparationError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.families import RPM
from ansible_collections.ferry.hvm.plugins.module_utils.guest.mounted import MountedGuest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.tree import GuestTree

SPEC = """\
Name: libvmtools
Version: 12.3
Release: 1
Summary: x
License: x
BuildArch: noarch
Provides: libvmtools.so.0()(64bit) /bin/sh
%description
x
%files

%package -n open-vm-tools
Summary: x
Requires: libvmtools.so.0()(64bit)
%description -n open-vm-tools
x
%preun -n open-vm-tools
systemctl stop vmtoolsd
%files -n open-vm-tools

%package -n monitoring
Summary: x
Requires: open-vm-tools >= 12
%description -n monitoring
x
%files -n monitoring
"""


class Guest:
    """A guest whose `rpm` is the one of this machine, and which has no shell for scripts of packages."""

    def __init__(self, root: Path) -> None:
        self.tree = GuestTree(str(root))

    def run(self, argv: Sequence[str]) -> bytes:
        assert argv[0] == "rpm"
        return run(("rpm", "--root", self.tree.root, *argv[1:]))


@contextmanager
def untimed(_step: str) -> Iterator[None]:
    yield


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the files of the packages."""
    top = tmp_path_factory.mktemp("rpmbuild")
    (top / "x.spec").write_text(SPEC)
    command = ["rpmbuild", "--quiet", "-bb", "--define", f"_topdir {top}", str(top / "x.spec")]
    subprocess.run(command, check=True)
    return sorted(str(path) for path in top.rglob("*.rpm"))


@pytest.fixture
def guest(tmp_path: Path, packages: list[str]) -> Guest:
    made = Guest(tmp_path)
    made.run(("rpm", "--install", *packages))
    return made


def remove(guest: Guest, *names: str) -> None:
    change = RemovePackages(names, "why", RPM.remove)
    apply_plan(Plan((change,), ()), cast(MountedGuest, guest), untimed)


def test_a_real_database_tells_packages_and_what_they_need(guest: Guest) -> None:
    found = rpm.read_packages(guest.run)
    assert {name: each.needs for name, each in found.items()} == {
        "libvmtools": frozenset(),
        "monitoring": {"open-vm-tools"},
        "open-vm-tools": {"libvmtools"},
    }
    assert found["open-vm-tools"].version == "12.3-1"


def test_packages_go_though_a_script_of_theirs_cannot_run(guest: Guest) -> None:
    with pytest.raises(PreparationError, match="preun"):
        guest.run(("rpm", "--erase", "monitoring", "open-vm-tools"))
    remove(guest, "libvmtools", "monitoring", "open-vm-tools")
    assert rpm.read_packages(guest.run) == {}


def test_what_another_package_needs_is_not_torn_out(guest: Guest) -> None:
    with pytest.raises(PreparationError, match="monitoring"):
        remove(guest, "open-vm-tools")
    assert set(rpm.read_packages(guest.run)) == {"libvmtools", "monitoring", "open-vm-tools"}
