# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extensions run for real: bash in a chroot, Python beside it, and the runner of a first boot."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ContextManager

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.guest import first_boot
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import EditFile, PlaceScript
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PreparationError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.extension_run import (
    Extensions,
    Outcome,
    Place,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.extensions import Sync
from ansible_collections.ferry.hvm.plugins.module_utils.guest.mounted import MountedGuest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.plan import make_plan
from ansible_collections.ferry.hvm.plugins.module_utils.guest.rules import Options
from ansible_collections.ferry.hvm.plugins.module_utils.guest.tree import GuestTree

from tests.unit.plugins.module_utils.guest.guest_samples import SDA1, guest
from tests.unit.plugins.module_utils.guest.test_guest_extensions import ABLE, extension

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may make namespaces")

SYNC = Sync("web01", 3, "delta")
# Of the tree: what a script in it needs to run at all.
PROGRAMS = ("bash", "sleep", "touch", "id")


def no_timer(_step: str) -> ContextManager[None]:
    return nullcontext()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A guest's tree in which bash runs."""
    made = tmp_path / "root"
    for folder in ("proc", "run", "usr/sbin", "usr/bin", "etc", "dev"):
        (made / folder).mkdir(parents=True)
    (made / "dev/null").touch()
    for name in PROGRAMS:
        program = shutil.which(name)
        assert program is not None
        shutil.copy(program, made / "usr/bin" / name)
        needed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
        for library in re.findall(r"(/\S+) \(0x", needed.stdout):
            place = made / library.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)
    return made


def run_one(root: Path, stage: str = "after", **changes: Any) -> Outcome:
    tree = GuestTree(str(root))
    place = Place(str(root), ("debian", "12"), MountedGuest(tree, SDA1, [SDA1]))
    extensions = Extensions([extension(stage=stage, **changes)], SYNC)
    assert extensions.run(stage, place, no_timer)
    assert extensions.have_run
    assert extensions.waiting(stage) == []
    return extensions.outcomes[0]


def test_bash_runs_in_the_guests_root_with_what_it_is_told(root: Path) -> None:
    script = 'echo "$FERRY_STAGE $FERRY_MIGRATION $FERRY_SYNC $FERRY_SYNC_NUMBER $FERRY_ROOT"\n'
    script += (
        'echo "$FERRY_DISTRIBUTION $FERRY_DISTRIBUTION_VERSION $SITE $TOKEN" >&2; pwd >/done\n'
    )
    done = run_one(root, content=script, environment={"SITE": "hvm"}, secrets={"TOKEN": "sesame"})
    assert (done.state, done.code) == ("ran", 0)
    assert done.output == "after web01 delta 3 /\ndebian 12 hvm sesame\n"
    assert (root / "done").read_text() == "/\n"


def test_nothing_of_a_run_is_left_in_the_tree_but_what_the_script_did(root: Path) -> None:
    before = sorted(root.rglob("*"))
    run_one(root, content="touch /etc/mine\n")
    left = set(root.rglob("*")) - set(before)
    assert {each.relative_to(root).as_posix() for each in left} == {"etc/mine", "run/ferry-lent"}
    assert list((root / "run/ferry-lent").iterdir()) == []


def test_python_runs_on_the_worker_and_finds_the_guests_root(root: Path) -> None:
    script = "import os\nopen(os.environ['FERRY_ROOT'] + '/etc/made', 'w').write('by python')\n"
    assert run_one(root, "before", kind="python", content=script).state == "ran"
    assert (root / "etc/made").read_text() == "by python"


def test_bash_may_run_on_the_worker(root: Path) -> None:
    done = run_one(root, runs_on="worker", content='echo "$FERRY_ROOT"\n')
    assert done.output == f"{root}\n"


def test_a_failure_names_the_script_its_code_and_its_last_words(root: Path) -> None:
    with pytest.raises(PreparationError, match=r"note ended with 7: no licence.*disks are as"):
        run_one(root, content="echo no licence; exit 7\n")


def test_a_failure_that_may_be_is_told_and_counts_as_run(root: Path) -> None:
    done = run_one(root, content="exit 7\n", failure="warn")
    assert (done.state, done.code) == ("failed", 7)


def test_no_log_hides_the_output_of_a_failure_too(root: Path) -> None:
    with pytest.raises(PreparationError) as caught:
        run_one(root, content="echo sesame; exit 1\n", no_log=True)
    assert "sesame" not in str(caught.value)
    assert run_one(root, content="echo sesame\n", no_log=True).output == "hidden by no_log"


def test_long_output_keeps_its_end_and_is_marked(root: Path) -> None:
    script = "for ((i = 0; i < 20000; i++)); do echo $i; done\n"
    done = run_one(root, content=script)
    assert done.cut
    assert len(done.output) == 32 << 10
    assert done.output.endswith("19998\n19999\n")


@pytest.mark.parametrize("place", ["guest", "worker"])
def test_time_runs_out_for_all_that_a_script_started(root: Path, place: str) -> None:
    script = "sleep 61234 & sleep 61234\n"
    begin = time.monotonic()
    done = run_one(root, runs_on=place, content=script, timeout=1, failure="warn")
    assert (done.state, done.code) == ("failed", None)
    assert time.monotonic() - begin < 30
    assert running("61234") == []


def test_what_a_script_leaves_in_the_background_ends_with_it(root: Path) -> None:
    assert run_one(root, content="sleep 61235 &\necho over\n").output == "over\n"
    assert running("61235") == []


def running(word: str) -> list[str]:
    """Return the command lines of all processes that have the word."""
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return [line.decode() for line in lines if word.encode() in line.split(b"\0")]


class FirstBoot:
    """A guest's first boot in a folder: the runner and its scripts, with a systemctl that only notes."""

    def __init__(self, place: Path, **extensions: dict[str, Any]) -> None:
        self.place = place
        options = Options(
            extensions=tuple(
                extension(name=name, stage="first_boot", **changes)
                for name, changes in extensions.items()
            ),
            sync=SYNC,
        )
        for change in make_plan(ABLE, options).changes:
            if isinstance(change, (EditFile, PlaceScript)):
                path = self.path(change.path)
                path.parent.mkdir(parents=True, exist_ok=True)
                text = change.after if isinstance(change, EditFile) else change.text
                path.write_text(self._moved(text))
        (place / "var/log").mkdir(parents=True)
        (place / "bin").mkdir()
        systemctl = place / "bin/systemctl"
        systemctl.write_text(f'#!/bin/sh\necho "$*" >>{place}/systemctl\n')
        systemctl.chmod(0o755)

    def path(self, path: str) -> Path:
        return self.place / path.lstrip("/")

    def _moved(self, text: str) -> str:
        """The text with its own places below the folder."""
        for path in (first_boot.FOLDER, first_boot.UNIT_FILE, "/var/log/ferry"):
            text = text.replace(path, f"{self.place}{path}")
        return text

    def boot(self) -> int:
        environment = {"PATH": f"{self.place}/bin:/usr/bin:/bin"}
        command = ["sh", str(self.path(f"{first_boot.FOLDER}/run"))]
        return subprocess.run(command, env=environment, capture_output=True, check=False).returncode

    @property
    def log(self) -> str:
        return self.path("/var/log/ferry-first-boot.log").read_text()


def test_a_first_boot_runs_all_in_order_and_leaves_only_its_log(tmp_path: Path) -> None:
    guest_boot = FirstBoot(
        tmp_path,
        zebra={"content": 'echo "one $SITE $FERRY_ROOT"\n', "environment": {"SITE": "it's"}},
        apple={"kind": "python", "content": "print('two')\n"},
        hidden={"content": "echo sesame\n", "no_log": True},
        may_fail={"content": "echo three; exit 3\n", "failure": "warn"},
    )
    assert guest_boot.boot() == 0
    said = [line for line in guest_boot.log.splitlines() if not line.startswith("2")]
    assert said == ["one it's /", "two", "three"]
    assert "040-may_fail ended with 3" in guest_boot.log
    assert "sesame" not in guest_boot.log
    assert not guest_boot.path(first_boot.FOLDER).exists()
    assert not guest_boot.path(first_boot.UNIT_FILE).exists()
    assert (tmp_path / "systemctl").read_text() == "--no-reload disable ferry-first-boot.service\n"
    assert guest_boot.path("/var/log/ferry-first-boot.log").stat().st_mode & 0o777 == 0o600


def test_a_boot_after_a_failed_one_goes_on_where_that_stopped(tmp_path: Path) -> None:
    guest_boot = FirstBoot(
        tmp_path,
        once={"content": "echo once\n"},
        second={"content": f"[ -e {tmp_path}/mended ]\n"},
        last={"content": "echo last\n"},
    )
    assert guest_boot.boot() == 1
    assert "last" not in guest_boot.log
    (tmp_path / "mended").touch()
    assert guest_boot.boot() == 0
    assert guest_boot.log.count("once\n") == 1
    assert "last\n" in guest_boot.log


def test_a_script_of_a_first_boot_is_ended_when_its_time_is_up(tmp_path: Path) -> None:
    guest_boot = FirstBoot(tmp_path, slow={"content": "sleep 61236\n", "timeout": 1})
    assert guest_boot.boot() == 1
    assert "010-slow ended with 124" in guest_boot.log


def test_a_script_that_an_earlier_preparation_left_never_runs(tmp_path: Path) -> None:
    guest_boot = FirstBoot(tmp_path, wanted={"content": "echo wanted\n"})
    guest_boot.path(f"{first_boot.FOLDER}/005-stale").write_text("echo stale\n")
    assert guest_boot.boot() == 0
    assert "stale" not in guest_boot.log


def test_a_guest_without_extensions_gets_no_first_boot() -> None:
    assert make_plan(guest(), Options(sync=SYNC)).changes == ()
