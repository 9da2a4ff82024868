# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lab.accelerator import MARKER, choose_acceleration, cpu_has_virtualization, probe_initramfs
from lab.hardware import Acceleration


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu vmx sse\n", True),
        ("flags\t\t: fpu svm\n", True),
        pytest.param("flags\t\t: fpu svm_lock\n", False, id="a flag that only begins so"),
        pytest.param("model name: vmx\nflags\t\t: fpu\n", False, id="the word elsewhere"),
        pytest.param("", False, id="no flags at all"),
    ],
)
def test_a_cpu_says_whether_it_can_virtualize(cpuinfo: str, *, expected: bool) -> None:
    assert cpu_has_virtualization(cpuinfo) is expected


def test_what_was_found_out_holds_for_this_boot_of_the_host_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERRY_CACHE", str(tmp_path))
    record = tmp_path / "acceleration.json"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    record.write_text(json.dumps({"boot": boot, "acceleration": "kvm"}))

    assert choose_acceleration() is Acceleration.KVM
    assert json.loads(record.read_text())["boot"] == boot


def test_the_probes_initramfs_is_one_that_cpio_reads(tmp_path: Path) -> None:
    unpack = ["cpio", "--extract", "--make-directories", "--quiet"]
    subprocess.run(unpack, input=probe_initramfs(b"busybox"), cwd=tmp_path, check=True)

    assert MARKER in (tmp_path / "init").read_text()
    assert (tmp_path / "bin" / "sh").read_bytes() == b"busybox"
    assert (tmp_path / "init").stat().st_mode & 0o111
