# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host to talk to (this machine's own shell), and a sender small enough to read."""

from __future__ import annotations

import io
import subprocess
import zipfile
from pathlib import Path

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils import errors
from ansible_collections.ferry.hvm.plugins.plugin_utils.shell import Answer

# A sender with the production interface that serves nothing: it has two disks, and its process only
# lives. It notes what it was told, so that a test may look.
PHONY_CONTROL = """
import json, os, signal
def note_of(told):
    return os.path.join(told["directory"], "phony.json")
def running(told):
    if not os.path.exists(note_of(told)):
        return None
    pid = json.load(open(note_of(told)))["pid"]
    return pid if os.path.exists("/proc/%d/cmdline" % pid) and open("/proc/%d/cmdline" % pid).read() else None
left = os.environ.get("PHONY_SNAPSHOTS", "")
def list_command(told):
    disks = [{"name": "sda", "path": "/dev/sda", "size": 4096, "removable": False},
             {"name": "sdb", "path": "/dev/sdb", "size": 8192, "removable": False},
             {"name": "sr0", "path": "/dev/sr0", "size": 2048, "removable": True}]
    snapshots = json.load(open(left)) if os.path.exists(left) else []
    return {"disks": disks, "python": "3", "snapshots": snapshots}
def stop(told):
    if running(told):
        os.kill(running(told), signal.SIGKILL)
    if os.path.exists(left):
        os.unlink(left)
    return {"running": False}
def status(told):
    if told["renew"]:
        open(os.path.join(told["directory"], "renewed"), "w").close()
    limits = {"bandwidth_limit": 1, "total_bandwidth_limit": 2}
    return dict(limits, running=running(told) is not None, pid=running(told))
def limit(told):
    json.dump(told, open(os.path.join(told["directory"], "limits.json"), "w"))
    return told
def note_target(told):
    json.dump(told, open(os.path.join(told["index_directory"], "noted.json"), "w"))
    return {"doubts": {disk["name"]: "no index" for disk in told["disks"] if disk["name"] == "doubtful"}}
COMMANDS = {
    "list": list_command,
    "view": lambda told: {"view": "moving", "reason": ""},
    "status": status,
    "limit": limit,
    "note_target": note_target,
    "stop": stop,
}
"""

PHONY_START = """
import json, os, subprocess, sys
told = json.load(sys.stdin)
folder = told["directory"]
if told["port"] == 1:
    print(json.dumps({"error": {"kind": "input", "what": "Cannot listen on port 1.", "hint": "Choose another."}}))
    sys.exit(1)
quiet = subprocess.DEVNULL
process = subprocess.Popen(["sleep", "600"], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
json.dump({"pid": process.pid}, open(os.path.join(folder, "phony.json"), "w"))
json.dump(told, open(os.path.join(folder, "told.json"), "w"))
disks = [dict(disk, size=4096) for disk in told["disks"]]
answer = {"view": "moving", "reason": "", "file_systems": []}
print(json.dumps(dict(answer, pid=process.pid, port=told["port"], disks=disks)))
"""


class LocalShell:
    """This machine's own /bin/sh, as `Shell`; keeps what it was asked."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        self._environment = environment
        self.commands: list[str] = []

    def run(self, command: str, stdin: bytes = b"") -> Answer:
        """See `Shell.run`."""
        self.commands.append(command)
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            input=stdin,
            capture_output=True,
            env=self._environment,
            check=False,
        )
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def shell() -> LocalShell:
    return LocalShell()


@pytest.fixture
def phony_sender() -> bytes:
    """Return the phony sender as a zipapp."""
    files = {
        "__main__.py": PHONY_START,
        "ferry/__init__.py": "",
        "ferry/errors.py": Path(errors.__file__).read_text(),
        "ferry/replication/__init__.py": "",
        "ferry/replication/sender_control.py": PHONY_CONTROL,
    }
    store = io.BytesIO()
    with zipfile.ZipFile(store, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return store.getvalue()
