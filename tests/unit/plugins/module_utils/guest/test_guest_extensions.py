# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extensions: what cannot be meant, on which sync each is for, and what it does to the plan and the result."""

from __future__ import annotations

import dataclasses
import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import pytest
from ansible_collections.ferry.hvm.plugins.module_utils.errors import InputError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.changes import (
    EditFile,
    PlaceScript,
    RunInGuest,
    describe,
    show_diff,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.errors import PlanError
from ansible_collections.ferry.hvm.plugins.module_utils.guest.extension_files import (
    extension_faults,
    load_extensions,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.extension_rules import (
    PROGRAMS,
    find_programs,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.extension_run import Extensions
from ansible_collections.ferry.hvm.plugins.module_utils.guest.extensions import (
    Extension,
    Sync,
    read_extensions,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.facts import (
    VIRTIO_DRIVERS,
    GuestFacts,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.first_boot import FOLDER, LINK
from ansible_collections.ferry.hvm.plugins.module_utils.guest.linux_prepare import LinuxGuest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.mounted import MountedGuest
from ansible_collections.ferry.hvm.plugins.module_utils.guest.plan import make_plan
from ansible_collections.ferry.hvm.plugins.module_utils.guest.prepare import Report
from ansible_collections.ferry.hvm.plugins.module_utils.guest.report import (
    as_result,
    diff,
    has_changed,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest.rules import Options
from ansible_collections.ferry.hvm.plugins.module_utils.guest.tree import GuestTree

from tests.unit.plugins.module_utils.guest.guest_samples import (
    MENU,
    ROOT_UUID,
    SDA1,
    build_archive,
    guest,
)

SYNC = Sync("web01", 3, "final")


def given(**changes: Any) -> dict[str, Any]:
    """Return an extension as a module takes it."""
    usual: dict[str, Any] = {
        "name": "note",
        "kind": "bash",
        "stage": "after",
        "syncs": ["first", "delta", "final"],
        "runs_on": None,
        "content": "true\n",
        "failure": "fail",
        "timeout": 60,
        "environment": {},
        "secrets": {},
        "no_log": False,
    }
    return {**usual, **changes}


def extension(**changes: Any) -> Extension:
    return read_extensions([given(**changes)])[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "../etc"}, "letters, digits"),
        ({"content": " \n"}, "empty script"),
        ({"content": "$ANSIBLE_VAULT;1.1;AES256\n3132"}, "encrypted"),
        ({"syncs": []}, "no sync"),
        ({"timeout": 0}, "at least 1"),
        ({"kind": "powershell"}, "first boot of Windows only"),
        ({"kind": "python", "runs_on": "guest"}, "worker's interpreter"),
        ({"stage": "first_boot", "runs_on": "worker"}, "there is no worker"),
        ({"environment": {"A-B": "1"}}, "variable 'A-B'"),
        ({"secrets": {"FERRY_ROOT": "/"}}, "variable 'FERRY_ROOT'"),
        ({"environment": {"A": "1\0"}}, "null character"),
        ({"environment": {"A": "1"}, "secrets": {"A": "2"}}, "both in environment and in secrets"),
    ],
)
def test_an_extension_that_cannot_be_meant_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_extensions([given(**changes)])


def test_names_that_differ_in_case_only_are_refused_with_all_other_faults() -> None:
    with pytest.raises(InputError, match=r"Two extensions have the name note\. .*timeout"):
        read_extensions([given(), given(name="NOTE", timeout=-1)])


def test_python_runs_on_the_worker_and_bash_in_the_guest_if_nobody_says_otherwise() -> None:
    assert extension(kind="python").runs_on == "worker"
    assert extension().runs_on == "guest"


def test_scripts_are_read_from_the_controller_and_their_kind_from_the_name(tmp_path: Path) -> None:
    script = tmp_path / "note.py"
    script.write_bytes(b"print('\xc3\xa9')\r\n")
    (loaded,) = load_extensions([{"name": "note", "script": str(script), "stage": "before"}])
    assert (loaded["kind"], loaded["content"]) == ("python", "print('é')\r\n")
    assert loaded["syncs"] == ["first", "delta", "final"]


def test_an_option_left_empty_is_one_left_out() -> None:
    asked = {"name": "note", "content": "true", "kind": "bash", "stage": "after", "script": None}
    (loaded,) = load_extensions([{**asked, "runs_on": None, "timeout": None}])
    assert "runs_on" not in loaded
    assert loaded["timeout"] == 600


def test_every_script_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    binary = tmp_path / "binary.sh"
    binary.write_bytes(b"\xff\xfe")
    (told,) = extension_faults(
        [
            {"name": "a", "script": str(tmp_path / "none.sh"), "stage": "after"},
            {"name": "b", "script": str(binary), "stage": "after"},
            {"name": "c", "stage": "after", "kind": "bash"},
            {"name": "d", "content": "true", "stage": "after"},
        ]
    )
    assert "'a' cannot be read" in told
    assert "'b' is not UTF-8" in told
    assert "'c' needs either script" in told
    assert "'d' does not tell what it is" in told
    assert extension_faults([]) == []


@pytest.mark.parametrize("kind", ["first", "delta", "final"])
def test_an_extension_runs_on_the_syncs_that_it_names(kind: str) -> None:
    all_of_them = [extension(name=name, syncs=[name]) for name in ("first", "delta", "final")]
    extensions = Extensions(all_of_them, Sync("web01", 1, kind))
    assert [each.name for each in extensions.waiting("after")] == [kind]
    states = {each.extension.name: each.state for each in extensions.outcomes}
    assert states.pop(kind) == "would_run"
    assert set(states.values()) == {"not_in_this_sync"}


@pytest.mark.parametrize(
    ("changes", "runs"),
    [
        ({}, False),
        ({"timeout": 5, "failure": "warn", "secrets": {"TOKEN": "new"}}, False),
        ({"content": "false\n"}, True),
        ({"environment": {"SITE": "other"}}, True),
        ({"stage": "before"}, True),
    ],
)
def test_what_ran_on_this_data_waits_only_if_it_is_another(
    changes: dict[str, Any], runs: bool
) -> None:
    done = [extension(secrets={"TOKEN": "old"}).identity]
    asked = extension(**{"secrets": {"TOKEN": "old"}, **changes})
    extensions = Extensions([asked], SYNC, done=done)
    assert bool(extensions.waiting(asked.stage)) is runs
    assert (extensions.outcomes[0].state == "ran_earlier") is not runs


def test_a_trial_lists_extensions_by_name_and_digest_and_shows_no_content() -> None:
    asked = extension(content="echo hush\n", secrets={"TOKEN": "sesame"})
    trial = Report(None, None, False, {}, {}, Extensions([asked], SYNC).outcomes)
    assert has_changed(trial)
    told = json.dumps([as_result(trial), diff(trial)]) + repr(asked)
    assert asked.digest in told
    assert "hush" not in told
    assert "sesame" not in told


FIRST_BOOT = extension(
    name="register",
    stage="first_boot",
    content="echo hush\n",
    environment={"SITE": "it's"},
    secrets={"TOKEN": "sesame"},
)
OPTIONS = Options(extensions=(FIRST_BOOT,), sync=SYNC)
ABLE = guest(programs=frozenset(PROGRAMS))


def after(facts: GuestFacts, options: Options) -> GuestFacts:
    """Return the facts once the first boot is planned and laid down."""
    files = dict(facts.files)
    for change in make_plan(facts, options).changes:
        if isinstance(change, PlaceScript):
            files[change.path] = change.text
        elif isinstance(change, EditFile):
            files[change.path] = change.after
        elif isinstance(change, RunInGuest) and "enable" in change.argv:
            files[LINK] = "the unit"
        elif isinstance(change, RunInGuest):
            del files[LINK]
    return dataclasses.replace(facts, files=files)


def test_a_first_boot_is_planned_once_and_its_texts_are_shown_nowhere() -> None:
    changes = make_plan(ABLE, OPTIONS).changes
    placed = {each.path: each for each in changes if isinstance(each, PlaceScript)}
    assert placed[f"{FOLDER}/010-register.sh"].text == "echo hush\n"
    start = placed[f"{FOLDER}/010-register"].text
    assert "export TOKEN=sesame\n" in start
    assert "export FERRY_SYNC_NUMBER=3\n" in start
    told = json.dumps([*map(describe, changes), *show_diff(changes)]) + repr(changes)
    assert FIRST_BOOT.digest in told
    assert "hush" not in told
    assert "sesame" not in told
    assert make_plan(after(ABLE, OPTIONS), OPTIONS).changes == ()


def test_a_first_boot_that_is_not_wanted_any_more_is_called_off() -> None:
    laid_down = after(ABLE, OPTIONS)
    (change,) = make_plan(laid_down, Options()).changes
    assert isinstance(change, RunInGuest)
    assert change.argv == ("systemctl", "disable", "ferry-first-boot.service")
    assert make_plan(after(laid_down, Options()), Options()).changes == ()


@pytest.mark.parametrize(
    ("asked", "programs", "words"),
    [
        (FIRST_BOOT, {"bash", "timeout"}, "needs systemctl"),
        (extension(), {"systemctl"}, "needs bash"),
        (extension(kind="python", stage="first_boot"), {"systemctl", "timeout"}, "needs python3"),
        (extension(kind="powershell", stage="first_boot"), set(PROGRAMS), "first boot of Windows"),
    ],
)
def test_what_a_guest_lacks_is_found_before_anything_runs(
    asked: Extension, programs: set[str], words: str
) -> None:
    with pytest.raises(PlanError, match=words):
        make_plan(guest(programs=frozenset(programs)), Options(extensions=(asked,), sync=SYNC))


def test_a_guests_programs_are_found_where_they_are_usual(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/bash").touch()
    (tmp_path / "bin").symlink_to("usr/bin")
    assert find_programs(GuestTree(str(tmp_path))) == {"bash"}


def look_alike(root: Path, fstab: str) -> LinuxGuest:
    """Return a guest of Debian 12 whose tree lies at `root`; no program of it is needed."""
    tree = GuestTree(str(root))
    installed = ("initramfs-tools", "grub-pc", "qemu-guest-agent")
    drivers = [f"{driver}.ko" for driver in VIRTIO_DRIVERS]
    for path, text in {
        "/etc/os-release": "ID=debian\nVERSION_ID=12\n",
        "/etc/fstab": fstab,
        "/usr/bin/bash": "",
        "/boot/grub/grub.cfg": MENU.replace("{root}", f"UUID={ROOT_UUID}"),
        "/boot/vmlinuz-6.1.0-1-amd64": "",
        "/lib/modules/6.1.0-1-amd64/modules.dep": "".join(f"{each}:\n" for each in drivers),
        "/var/lib/dpkg/status": "".join(
            f"Package: {name}\nStatus: install ok installed\nVersion: 1\n\n" for name in installed
        ),
    }.items():
        tree.write(path, text)
    (root / "boot/initrd.img-6.1.0-1-amd64").write_bytes(build_archive(drivers))
    return LinuxGuest(MountedGuest(tree, SDA1, [SDA1]), guest().disks, str(root), None)


@contextmanager
def untimed(_step: str) -> Iterator[None]:
    yield


def test_a_dry_run_says_what_an_extension_would_have_to_clear_away(tmp_path: Path) -> None:
    # The real run passed, because the script goes first; the dry run before it failed.
    made = look_alike(tmp_path, "UUID=5555 /srv xfs defaults 0 2\n")
    asked = extension(name="forget-srv", stage="before")

    def notes(*given: Extension) -> tuple[str, ...]:
        options = Options(extensions=given, sync=SYNC)
        extensions = Extensions(given, SYNC)
        return made.prepare(options, extensions, untimed, apply=False)[1].notes

    with pytest.raises(PlanError, match="needs UUID=5555 at boot"):
        notes()
    (note,) = [each for each in notes(asked) if "UUID=5555" in each]
    assert note.startswith("Without the extension forget-srv, not run in a dry run: /etc/fstab")
    with pytest.raises(PlanError, match="PowerShell"):
        notes(asked, extension(name="odd", kind="powershell", stage="first_boot"))
