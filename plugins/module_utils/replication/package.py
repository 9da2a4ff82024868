# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The sender as one file that any Python from 3.6 on can run. PRIVATE; the controller's side."""

from __future__ import annotations

import io
import os
import zipfile
from typing import Sequence

# All that a sender is made of, under plugins/module_utils. These files run on Python 3.6.
SENDER_FILES = (
    "errors.py",
    "units.py",
    "replication/accelerators.py",
    "replication/answers.py",
    "replication/block_devices.py",
    "replication/channel.py",
    "replication/codecs.py",
    "replication/composed_disk.py",
    "replication/compressor.py",
    "replication/connection.py",
    "replication/crc32c.py",
    "replication/daemon.py",
    "replication/digests.py",
    "replication/disks.py",
    "replication/errors.py",
    "replication/export.py",
    "replication/file_systems.py",
    "replication/geometry.py",
    "replication/governor.py",
    "replication/granule_set.py",
    "replication/headway.py",
    "replication/index.py",
    "replication/indexed.py",
    "replication/ioctls.py",
    "replication/lane.py",
    "replication/ledger.py",
    "replication/limits.py",
    "replication/lvm.py",
    "replication/lvm_view.py",
    "replication/masked_disk.py",
    "replication/messages.py",
    "replication/other_writers.py",
    "replication/pieces.py",
    "replication/priority.py",
    "replication/readahead.py",
    "replication/registration.py",
    "replication/requests.py",
    "replication/runs.py",
    "replication/sender_control.py",
    "replication/sender_main.py",
    "replication/server.py",
    "replication/source.py",
    "replication/source_view.py",
    "replication/state.py",
    "replication/target_index.py",
    "replication/tls.py",
    "replication/used_blocks.py",
    "replication/used_ext4.py",
    "replication/used_xfs.py",
    "replication/used_xfs_log.py",
    "replication/wire.py",
)

_PACKAGE = "ferry"

MAIN = """\
import sys

from ferry.replication.sender_main import main

sys.exit(main(sys.argv[1:]))
"""

# The oldest time that a zip archive can tell: the same files make the same bytes at any time.
_EPOCH = (1980, 1, 1, 0, 0, 0)


# Where the files lie on the controller.
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def build_sender(more: Sequence[str] = (), main: str = MAIN) -> bytes:
    """Return the sender as a zipapp: `python3 sender.pyz list`. The same files give the same bytes.

    `more` files, of other rooms, come along for another `main`.
    """
    files = (*SENDER_FILES, *more)
    packages = sorted({os.path.dirname(name) for name in files})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
        _add(bundle, "__main__.py", main.encode())
        for package in packages:
            _add(bundle, os.path.join(_PACKAGE, package, "__init__.py"), b"")
        for name in files:
            with open(os.path.join(ROOT, name), "rb") as stream:
                _add(bundle, f"{_PACKAGE}/{name}", stream.read())
    return archive.getvalue()


def _add(bundle: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    bundle.writestr(entry, content)
