# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks run for real against this machine: locally, or through an SSH server of the test's own.

The SSH server listens on a loopback port with keys and configuration in the test's folder; it takes
nothing from this machine's own SSH, and leaves it alone.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

CHECKOUT = Path(__file__).resolve().parents[2]
SSHD = "/usr/sbin/sshd"
# The folder that sshd locks its unprivileged half into; Debian's service makes it at its start.
SSHD_EMPTY_FOLDER = Path("/run/sshd")
SSHD_DEADLINE = 20.0


class PlaybookRun(NamedTuple):
    """What a playbook left: status, all that was printed, and the results of its registered tasks."""

    status: int
    output: str
    results: Mapping[str, Any]


def free_port() -> int:
    """Return a TCP port of the loopback that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def make_key(path: Path) -> str:
    """Make an SSH key pair at `path` and return its public half, type and base64."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(command, check=True)
    return path.with_suffix(".pub").read_text().strip()


class SshServer:
    """An SSH server of its own on a loopback port, for root with one key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.host_key = make_key(folder / "host_key")
        make_key(folder / "operator")
        (folder / "authorized_keys").write_text((folder / "operator.pub").read_text())
        self._process: subprocess.Popen[bytes] | None = None

    def variables(self, known_hosts: Path, alias: str = "ferry-test") -> dict[str, Any]:
        """Return the connection variables with which Ansible reaches this server, and only it."""
        options = {
            "UserKnownHostsFile": known_hosts,
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": alias,
            "StrictHostKeyChecking": "yes",
        }
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": "root",
            "ansible_ssh_private_key_file": str(self.folder / "operator"),
            "ansible_ssh_common_args": " ".join(f"-o {key}={val}" for key, val in options.items()),
        }

    def start(self, *, host_key: Path | None = None, environment: str = "") -> None:
        """Start listening, with another host key than its own if one is given."""
        SSHD_EMPTY_FOLDER.mkdir(mode=0o755, exist_ok=True)
        config = self.folder / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1:{self.port}\n"
            f"HostKey {host_key or self.folder / 'host_key'}\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\n"
            f"PidFile {self.folder}/sshd.pid\n"
            f"{environment}\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        )
        self._process = subprocess.Popen(
            [SSHD, "-D", "-f", str(config), "-E", str(self.folder / "sshd.log")]
        )
        wait_for_port(self.port)

    def stop(self) -> None:
        """Stop listening; connections that are open live on, as with any sshd."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(SSHD_DEADLINE)
            self._process = None


@contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """Have an SSH server listen for as long as the block runs."""
    folder.mkdir()
    server = SshServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def wait_for_port(port: int) -> None:
    """Return when something listens on the loopback's `port`; raises TimeoutError."""
    deadline = time.monotonic() + SSHD_DEADLINE
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise TimeoutError(f"nothing listens on port {port}")


class Playground:
    """A folder from which playbooks run against one host named `web01`."""

    def __init__(self, folder: Path, variables: Mapping[str, Any]) -> None:
        self.folder = folder
        self._inventory = folder / "inventory.json"
        host = {"hosts": {"web01": dict(variables)}}
        self._inventory.write_text(json.dumps({"all": host}))

    def command(self, tasks: Sequence[Mapping[str, Any]], *options: str) -> list[str]:
        """Write a play of `tasks` and return the command that runs it.

        Each task's result is noted under the name that the task registers.
        """
        names = [task["register"] for task in tasks if "register" in task]
        results = "{{ {" + ", ".join(f"'{name}': {name}" for name in names) + "} | to_json }}"
        note = {
            "name": "Note the results",
            "ansible.builtin.copy": {
                "content": results,
                "dest": str(self.folder / "results.json"),
                "mode": "0600",
            },
            "delegate_to": "localhost",
            "check_mode": False,
            "vars": {
                "ansible_connection": "local",
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                "ansible_become": False,
            },
        }
        play = {"hosts": "web01", "gather_facts": False, "tasks": [*tasks, note]}
        playbook = self.folder / "playbook.json"
        playbook.write_text(json.dumps([play]))
        program = Path(sys.executable).with_name("ansible-playbook")
        return [str(program), "-i", str(self._inventory), str(playbook), *options]

    def run(self, tasks: Sequence[Mapping[str, Any]], *options: str) -> PlaybookRun:
        """Run a play of `tasks` to its end."""
        noted = self.folder / "results.json"
        noted.unlink(missing_ok=True)
        done = subprocess.run(
            self.command(tasks, *options),
            cwd=CHECKOUT,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        results = json.loads(noted.read_text()) if noted.exists() else {}
        return PlaybookRun(done.returncode, done.stdout + done.stderr, results)


def play(
    folder: Path,
    inventory: Mapping[str, Any],
    tasks: Sequence[Mapping[str, Any]],
    *options: str,
    variables: Mapping[str, str],
) -> PlaybookRun:
    """Run the tasks on all hosts of the inventory, in `folder`, with more environment variables.

    What was printed comes in one line: Ansible wraps warnings wherever a line is full.
    """
    hosts, playbook = folder / "inventory.json", folder / "play.json"
    hosts.write_text(json.dumps(inventory))
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [str(program), "-i", str(hosts), str(playbook), *options],
        cwd=CHECKOUT,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return PlaybookRun(done.returncode, " ".join((done.stdout + done.stderr).split()), {})


def environment() -> dict[str, str]:
    """Return the environment of a playbook run: this checkout's configuration, nothing of ours."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/root"),
        "LANG": "C.UTF-8",
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
    }
