# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No password is to be seen while and after a VM is read, by whichever reader (promise 8 of docs/architecture.md).

One run of all that takes part, at the highest verbosity that operators are asked for, with passwords that are in
files of their own only; this machine is controller, source worker and target worker, and is looked at all the while.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.appliance.local import LocalAppliance
from tests.integration.ansible_host import (
    CHECKOUT,
    Playground,
    environment,
    free_port,
    ssh_server,
)
from tests.integration.morpheus_steps import PLACE
from tests.integration.replication_ends import (
    MIB,
    RUNS,
    Worker,
    absent,
    loop_device,
    make_disk,
    processes_of,
    started,
)
from tests.support.appliance_api import fresh_api
from tests.support.secrets import ProcessWatch, files_with
from tests.support.vsphere_modules import VsphereModules, connection_of, fresh_modules

# The other files that need the machine for themselves may be at work first.
pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("alone")]

MIGRATION = "test-vm-secrets"
READERS = ("datastore", "export", "vddk")
SIZE = 8 * MIB
KEY = 2000
WRONG = "nobody's password, but a secret"
INDEXES = Path("/var/lib/ferry/indexes")
DEBIAN = Path("/usr/lib/python3/dist-packages")
STANDIN = CHECKOUT / "tests" / "support" / "nbdkit_vddk_standin.py"
# Where Ansible puts a module that it does not hand over on standard input, until the module has ended.
MODULES = Path.home() / ".ansible" / "tmp"
# Where a program of the controller, the source worker or the target worker may leave something.
PLACES = [
    Path("/run"),
    Path("/var/lib/ferry"),
    Path(tempfile.gettempdir()),
    Path.home() / ".ansible",
]
# nbdkit with the one plugin that is not here; `exec` keeps the descriptor of the password.
NBDKIT = """\
#!/bin/sh
for word do
    shift
    if [ "$word" = vddk ]; then set -- "$@" python {standin}; else set -- "$@" "$word"; fi
done
exec /usr/bin/nbdkit "$@"
"""


@dataclass
class Scene:
    """One vCenter with web01, one appliance, and the files that hold their passwords."""

    folder: Path
    modules: VsphereModules
    appliance: LocalAppliance

    def __post_init__(self) -> None:
        self.wrong = self.folder / "wrong"
        self.wrong.write_text(WRONG)
        self.library = self.folder / "library"

    @property
    def secrets(self) -> list[str]:
        return [self.modules.vcenter.password, self.appliance.password, WRONG]

    @property
    def inputs(self) -> set[Path]:
        """The files from which the passwords are taken, and what the stand-in of VDDK knows."""
        served = self.folder / "appliance" / "password"
        return {self._password, served, self.wrong, self.library / "images.json"}

    @property
    def _password(self) -> Path:
        return self.modules.vcenter.directory / "password"

    def connection(self, password: Path | None = None) -> dict[str, Any]:
        """The connection options, with a password that is looked up where it is used."""
        place = password or self._password
        known = connection_of(self.modules.vcenter)
        return {**known, "password": f"{{{{ lookup('ansible.builtin.file', '{place}') }}}}"}

    def offer_vddk(self) -> None:
        """The stand-in of VDDK serves the snapshot that the VM has now."""
        snapshot = self.modules.take(migration_id=MIGRATION, change_tracking="enabled")
        (disk,) = snapshot["disks"]
        self.library.mkdir()
        frozen = self.library / "frozen.raw"
        self.modules.control.export_raw("web01", KEY, frozen, snapshot=snapshot["moid"])
        certificate = ssl.PEM_cert_to_DER_cert(self.modules.vcenter.ca_path.read_text())
        thumbprint = hashlib.sha1(certificate).hexdigest().upper()
        known = {
            "password": self.modules.vcenter.password,
            "thumbprint": ":".join(thumbprint[at : at + 2] for at in range(0, 40, 2)),
            "images": {f"{snapshot['moid']}|{disk['file']}": str(frozen)},
        }
        (self.library / "images.json").write_text(json.dumps(known))

    def tasks(self, worker: Worker, device: str) -> list[dict[str, Any]]:
        """All modules of the vCenter, a wrong password each way, and a sync by each reader."""
        port = free_port()
        reads = [
            task
            for reader in READERS
            for task in self._sync(reader, worker.certificate(f"secret-{reader}"), device, port)
        ]
        refused = self._opened(
            "refused", worker.certificate("secret-refused"), port, self.connection(self.wrong)
        )
        return [*self._vsphere(), {**refused, "register": "refused"}, *reads, absent(MIGRATION)]

    def _vsphere(self) -> list[dict[str, Any]]:
        machine = {"name": "web01", "migration_id": MIGRATION}
        right, wrong = self.connection(), self.connection(self.wrong)
        calls: dict[str, tuple[str, dict[str, Any]]] = {
            "vms": ("vsphere_vm_info", right),
            "taken": ("vsphere_snapshot", {**right, **machine, "state": "present"}),
            "left": ("vsphere_snapshot_info", {**right, "of_ferry": True}),
            "changes": ("vsphere_changed_extents_info", {**right, **machine}),
            "nobody": ("vsphere_vm_info", wrong),
        }
        return [
            {
                f"ferry.hvm.{module}": arguments,
                "register": registered,
                "delegate_to": "localhost",
                "ignore_errors": True,
            }
            for registered, (module, arguments) in calls.items()
        ]

    def _sync(
        self, reader: str, certificate: str, device: str, port: int
    ) -> Iterator[dict[str, Any]]:
        yield self._opened(reader, certificate, port, self.connection())
        arguments = {
            "migration_id": MIGRATION,
            "run": f"secret-{reader}",
            "address": "127.0.0.1",
            "port": port,
            "source_certificate": "{{ opened.export.certificate }}",
            "source_disks": "{{ opened.export.disks }}",
            "source_view": "{{ opened.export.source_view }}",
            "target_disks": [{"source": f"disk-{KEY}", "path": device}],
        }
        yield {"ferry.hvm.worker_replicate": arguments, "register": reader, "ignore_errors": True}

    def _opened(
        self, reader: str, certificate: str, port: int, connection: dict[str, Any]
    ) -> dict[str, Any]:
        wanted = reader if reader in READERS else "auto"
        read = {**connection, "name": "web01", "reader": wanted, "vddk_libdir": str(self.library)}
        run = f"secret-{reader}"
        return started(MIGRATION, run, certificate, port=port, shared=True, vm_snapshot=read)

    def inventory(self) -> Path:
        """An inventory for the playbooks, as operators write it; the target does not exist."""
        address = self.connection()
        reached = {f"ferry_vcenter_{name}": value for name, value in address.items()}
        names = ("datastore", "migration_network", "guest_network", "worker_image")
        host = {
            "ferry_vm": "web01",
            "ferry_instance": "web01",
            "ferry_migration_id": MIGRATION,
            "ferry_source_worker": "localhost",
            **reached,
            **{f"ferry_{name}": value for name, value in PLACE.items()},
            **{f"ferry_{name}": "any" for name in names},
            "ferry_worker_ssh_private_key_file": str(self.folder / "sshd" / "operator"),
            "ferry_morpheus_url": self.appliance.url,
            "ferry_morpheus_username": self.appliance.username,
            "ferry_morpheus_password": f"{{{{ lookup('ansible.builtin.file', '{self.folder}/appliance/password') }}}}",
            "ferry_morpheus_ca_path": str(self.appliance.ca_path),
        }
        path = self.folder / "inventory-vm.json"
        path.write_text(json.dumps({"vms": {"hosts": {"web01": host}}}))
        return path


@dataclass(frozen=True)
class Seen:
    """What was to be seen of it, and the results, which say whether it was done at all."""

    scene: Scene
    output: str
    results: dict[str, Any]
    watch: ProcessWatch
    files: list[Path]
    left: list[str]


def source_python(folder: Path) -> Path:
    """Return a Python as a source worker has it: with pyvmomi, libnbd, and a nbdkit that knows `vddk`."""
    place, programs = folder / "python", folder / "programs"
    venv.create(place, symlinks=True)
    (packages,) = place.glob("lib/python3*/site-packages")
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "ferry-test.pth").write_text("\n".join(ours))
    for path in (DEBIAN / "nbd.py", *DEBIAN.glob("libnbdmod.*.so")):
        (packages / path.name).symlink_to(path)
    programs.mkdir()
    _write_program(programs / "nbdkit", NBDKIT.format(standin=STANDIN))
    first = f"PATH={programs}:$PATH"
    return _write_program(
        programs / "python3", f'#!/bin/sh\n{first} exec {place}/bin/python "$@"\n'
    )


def _write_program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@contextmanager
def scene_in(folder: Path) -> Iterator[Scene]:
    image = make_disk(folder / "web01.raw", SIZE, seed=4)
    (folder / "appliance").mkdir()
    with ExitStack() as stack:
        modules = stack.enter_context(fresh_modules(folder / "vcenter", {"image": str(image)}))
        api = stack.enter_context(fresh_api(folder / "appliance"))
        yield Scene(folder, modules, api.appliance)


def play_delta(scene: Scene) -> str:
    """Run the playbook of an installed collection until preflight refuses it; return what it prints."""
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    # Where the collection is installed, nobody reads the checkout's configuration.
    nothing = scene.folder / "ansible.cfg"
    nothing.touch()
    installed = {"ANSIBLE_CONFIG": nothing, "ANSIBLE_COLLECTIONS_PATH": CHECKOUT / ".collections"}
    done = subprocess.run(
        [program, "ferry.hvm.delta_vm", "-i", str(scene.inventory()), "-vvv"],
        cwd=scene.folder,
        env={**environment(), **{name: str(path) for name, path in installed.items()}},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder, since, worker = tmp_path_factory.mktemp("secrets"), time.time(), Worker()
    with ExitStack() as stack:
        stack.callback(worker.clean)
        stack.callback(shutil.rmtree, INDEXES / MIGRATION, ignore_errors=True)
        scene = stack.enter_context(scene_in(folder))
        scene.offer_vddk()
        server = stack.enter_context(ssh_server(folder / "sshd"))
        (folder / "known_hosts").write_text(f"ferry-test {server.host_key}\n")
        device = stack.enter_context(loop_device(folder / "volume.img", SIZE))
        python = {"ansible_python_interpreter": str(source_python(folder))}
        host = {**server.variables(folder / "known_hosts"), **python}
        playground = Playground(folder, host)
        stack.callback(playground.run, [absent(MIGRATION)])
        watch = ProcessWatch(scene.secrets, [RUNS, MODULES])
        with watch:
            run = playground.run(scene.tasks(worker, device), "-vvv")
            output = run.output + play_delta(scene)
        files = files_with(scene.secrets, [*PLACES, folder], since=since, without=scene.inputs)
        yield Seen(scene, output, dict(run.results), watch, files, processes_of(MIGRATION))


def test_all_readers_were_at_work_with_the_password(seen: Seen) -> None:
    """Else there would be nothing to be seen."""
    for reader in READERS:
        assert seen.results[reader]["replication"]["state"] == "done", seen.output
    assert {"nbdkit", "sender.pyz", "ansible-playbook"} <= seen.watch.seen
    told = json.loads((seen.scene.library / "arguments.json").read_text())
    password = seen.scene.modules.vcenter.password
    assert told["password_sha256"] == hashlib.sha256(password.encode()).hexdigest()


def test_a_wrong_password_is_refused_without_being_told(seen: Seen) -> None:
    for name in ("nobody", "refused"):
        assert seen.results[name]["failed"] is True
        assert "refuses the login" in seen.results[name]["msg"]


def test_the_playbook_reached_vcenter_and_appliance(seen: Seen) -> None:
    assert "target_missing" in seen.output


def test_no_password_is_in_what_ansible_prints_or_returns(seen: Seen) -> None:
    shown = seen.output + json.dumps(seen.results)
    assert [secret for secret in seen.scene.secrets if secret in shown] == []


def test_no_process_and_no_file_of_the_moment_showed_a_password(seen: Seen) -> None:
    """A module that lies in a file while it runs would show one, on the controller and wherever it runs."""
    assert seen.watch.found == set()


def test_no_sender_outlived_the_run_with_a_password_in_its_memory(seen: Seen) -> None:
    assert seen.results["closed"]["changed"] is True
    assert seen.left == []


def test_no_file_and_no_log_holds_a_password(seen: Seen) -> None:
    """Those of controller, source worker and target worker, and the logs of vCenter and appliance."""
    assert (seen.scene.modules.vcenter.directory / "server.log").exists()
    assert seen.files == []


def test_a_password_would_be_found(tmp_path: Path) -> None:
    """In arguments and environment of a process, and in a file."""
    secret = "only this test's password"
    (tmp_path / "log").write_text(f"logged in with {secret}")
    command = [sys.executable, "-c", "input()", secret]
    shown = {**os.environ, "TOKEN": secret}
    with ProcessWatch([secret], [tmp_path]) as watch, subprocess.Popen(
        command, env=shown, stdin=subprocess.PIPE
    ) as process:
        watch.await_look()
        process.communicate(b"\n")
    assert len(watch.found) == 3
    assert files_with([secret], [tmp_path], since=0.0) == [tmp_path / "log"]
