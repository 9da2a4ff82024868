# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users install: the built collection, with nothing beside what it needs at run time."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
# What a collection may need at run time (Ansible's requirements for collections); the rest may go.
RUNTIME = {"meta", "plugins", "roles", "playbooks", "MANIFEST.json", "FILES.json"}
PLAYBOOKS = (
    "initial_os",
    "delta_os",
    "initial_vm",
    "delta_vm",
    "build_worker_image",
    "prepare_source_worker",
    "check_vcenter",
    "audit_leftovers",
    "remove_helpers",
    "limit_bandwidth",
)


def run(*command: str, cwd: Path, collections: Path) -> str:
    """Run one of Ansible's programs as a user does who has these collections and no others.

    `make` names the checkout's configuration, whose collections are the checkout: with it in force
    ansible-galaxy finds Ferry installed already, and the playbooks that run are not the installed ones.
    """
    environment = {name: value for name, value in os.environ.items() if name != "ANSIBLE_CONFIG"}
    done = subprocess.run(
        [str(PROGRAMS / command[0]), *command[1:]],
        cwd=cwd,
        env={**environment, "ANSIBLE_COLLECTIONS_PATH": str(collections)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of collections with only the run-time part of Ferry in it."""
    place = tmp_path_factory.mktemp("collections")
    build = ("ansible-galaxy", "collection", "build", "--output-path", str(place))
    run(*build, cwd=CHECKOUT, collections=place)
    (archive,) = place.glob("ferry-hvm-*.tar.gz")
    where = ("-p", str(place), "--offline")
    install = ("ansible-galaxy", "collection", "install", str(archive), *where)
    run(*install, cwd=place, collections=place)
    root = place / "ansible_collections" / "ferry" / "hvm"
    for entry in root.iterdir():
        if entry.name not in RUNTIME:
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return place


def test_no_stray_file_is_shipped(installed: Path) -> None:
    root = installed / "ansible_collections" / "ferry" / "hvm"
    listed = (root / "FILES.json").read_text()
    strays = (".venv", ".collections", ".build", ".git/", "__pycache__", ".pyc", "tests/output")
    assert [stray for stray in strays if stray in listed] == []


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_its_playbooks_run_by_their_names(installed: Path, playbook: str) -> None:
    shown = run(
        *("ansible-playbook", f"ferry.hvm.{playbook}", "--syntax-check", "-i", "web01,"),
        cwd=installed,
        collections=installed,
    )
    assert f"playbooks/{playbook}.yml" in shown


def test_an_execution_environment_learns_what_it_needs(installed: Path) -> None:
    """By ansible-builder's own eyes, which it lays on the collection in the image."""
    shown = run(
        "ansible-builder", "introspect", str(installed), cwd=installed, collections=installed
    )
    needed = yaml.safe_load(shown)
    assert {re.split(r"[ >]", each)[0] for each in needed["python"]} == {"cryptography", "pyvmomi"}
    assert {each.split()[0] for each in needed["system"]} == {"openssh-client", "openssh-clients"}


def test_the_execution_environment_is_described_as_ansible_builder_wants(tmp_path: Path) -> None:
    definition = ("-f", str(CHECKOUT / "execution-environment.yml"), "-c", str(tmp_path))
    run("ansible-builder", "create", *definition, cwd=tmp_path, collections=tmp_path)
    wanted = yaml.safe_load((tmp_path / "_build" / "requirements.yml").read_text())
    assert wanted == yaml.safe_load((CHECKOUT / "collections" / "requirements.yml").read_text())


def test_the_playbooks_of_the_checkout_are_the_collections(installed: Path) -> None:
    for playbook in ("initial_os", "delta_os"):
        shown = run(
            *(
                "ansible-playbook",
                str(CHECKOUT / f"{playbook}.yml"),
                "--list-tasks",
                "-i",
                "web01,",
            ),
            cwd=installed,
            collections=installed,
        )
        assert "ferry.hvm.replicate_source_data" in shown
