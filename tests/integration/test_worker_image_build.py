# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The build of the worker image stops where an image would not be what its name says. Needs root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.timeout(300)


def test_a_builder_without_a_package_index_is_told_what_to_do(tmp_path: Path) -> None:
    no_index = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    images = tmp_path / "images"
    build = ["ferry.hvm.build_worker_image", "-e", f"worker_image_directory={images}"]
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), *build],
        cwd=CHECKOUT,
        env={**os.environ, **no_index},
        capture_output=True,
        text=True,
        check=False,
    )
    said = " ".join(done.stdout.split())
    assert done.returncode != 0, said
    assert "No matching distribution found for blake3==1.0.11. Have pip reach" in said
    assert "worker_image_accelerators=false" in said
    assert list(images.iterdir()) == [], "something of the build was left"
