#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module worker_prepare: make a replicated guest bootable on the target platform."""

from __future__ import annotations

DOCUMENTATION = r"""
module: worker_prepare
short_description: Make a replicated guest bootable on the target platform
version_added: "0.1.0"
description:
  - Runs on the target worker, as root. Looks into the guest on the given disks, plans what must change
    for it to boot on virtio hardware, and makes these changes.
  - The root may lie on a partition, a whole disk, a linear or striped logical volume over one or several
    disks, a mirror of Linux's software RAID, an encrypted device, or a stack of these.
  - The firmware may be a BIOS or UEFI. For UEFI the loader is also laid down where firmware with an empty
    memory looks for it.
  - The initramfs gets the drivers of virtio, device names in C(fstab), C(crypttab) and the boot loader
    become UUIDs, the backup of a GPT moves to the end of a larger volume, network interfaces keep their names with the old and the new MAC, and guest tools of
    the old platform are removed. All by the guest's own tools, offline.
  - Prepared are Debian 11 to 13, Ubuntu 18.04 to 24.04 LTS, Red Hat's family from 7 to 10 and SUSE's 12 and 15. Guests with SELinux label their
    files anew at their first boot if they got new ones, which takes minutes.
  - Windows Server 2012 R2 to 2025 gets its drivers for virtio, its disks come online by themselves, and a
    service is set up that runs numbered scripts at the first boot, for what only Windows itself can do.
  - Everything happens on overlays. The disks are written once, when all went well; after a failure, or
    when the module is killed, they are as they were, or the next run finishes what was decided.
  - A guest that is right already is left as it is, to the byte.
options:
  disks:
    description: All disks of the guest.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The disk on the worker.
        type: path
        required: true
      name:
        description: What the source calls the disk, without C(/dev/).
        type: str
        required: true
  generation:
    description:
      - Names the sync whose data the disks hold. A preparation that was interrupted after it was decided
        is finished only if the disks still hold the data of the same sync.
    type: str
    required: true
  stage:
    description: Folder on the worker that keeps the changes until they are on the disks. Needs 256 MiB.
    type: path
    default: /var/lib/ferry/prepare
  interfaces:
    description: All network cards of the source, whose interfaces keep their names.
    type: list
    elements: dict
    default: []
    suboptions:
      source_mac:
        description: The MAC that the interface has at the source.
        type: str
        required: true
      target_mac:
        description: >-
          The MAC that it has on the target, until the cutover or for ever. Left out where the target does not have the card yet.
        type: str
      name:
        description: >-
          Its name in the guest. Found in the guest's files if they tell; of several interfaces only what names them by MAC tells.
        type: str
  encrypted:
    description:
      - The guest's encrypted devices (LUKS) that hold its system, with a key of each. Other encrypted devices stay
        closed.
    type: list
    elements: dict
    default: []
    suboptions:
      device:
        description: What the source calls the encrypted partition or disk, such as C(sda2), or its LUKS UUID.
        type: str
        required: true
      key:
        description: A passphrase, taken as it is. It is handed to C(cryptsetup) on its standard input.
        type: str
        required: true
  serial_console:
    description: Whether the guest gets a console on its first serial port, beside the screen.
    type: bool
    default: false
  packages_directory:
    description:
      - Folder on the worker with a folder for each distribution, such as C(debian-12), C(ubuntu-22.04) or C(rhel-9), that holds package
        files of C(qemu-guest-agent) and of what it needs. Of these, packages that the guest lacks are installed.
      - Without it, no agent is installed and a note says so.
    type: path
  virtio_win:
    description:
      - Folder or ISO of C(virtio-win) on the worker, with the drivers of a Windows guest. Needed for Windows,
        not looked at otherwise.
    type: path
  sync:
    description: The sync whose data the disks hold. Needed where there are extensions.
    type: dict
    suboptions:
      migration_id:
        description: Name of the migration.
        type: str
        required: true
      number:
        description: How many syncs of the migration ended well, this one included.
        type: int
        required: true
      kind:
        description: Whether it is the first one that is prepared, the final one of the cutover, or one in between.
        type: str
        choices: [first, delta, final]
        required: true
  extensions:
    description:
      - The operator's own scripts. They run in their order, on the overlays, as root; one that fails or is killed
        leaves the disks as they were.
      - One that ran on the data of this sync does not run on it again, unless its script or its environment is another.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: A name of its own; letters, digits, hyphens and underscores.
        type: str
        required: true
      kind:
        description: >-
          What the script is. Python runs by the worker's interpreter, at the first boot by the guest's. PowerShell runs at
          the first boot of Windows only.
        type: str
        choices: [bash, python, powershell]
        required: true
      content:
        description: The script.
        type: str
        required: true
      stage:
        description:
          - V(before) the preparation looks for what to change, V(after) everything was changed, or at the V(first_boot) of the guest.
          - What runs before or after has the guest's tree, and no service of the guest. What it leaves is judged
            with all else - a guest that is not right then fails.
        type: str
        choices: [before, after, first_boot]
        required: true
      syncs:
        description: The kinds of sync on which it runs.
        type: list
        elements: str
        choices: [first, delta, final]
        default: [first, delta, final]
      runs_on:
        description: >-
          Whether a script before or after the preparation runs by the programs of the V(guest), without network and with the
          guest's root as its own, or by those of the V(worker), which finds the guest's root in the variable
          C(FERRY_ROOT). Left out, Bash runs in the guest and Python on the worker. A Windows guest has V(worker) only.
        type: str
        choices: [guest, worker]
      failure:
        description: Whether the preparation fails with it, or only warns. At the first boot V(fail) has the next boot try again.
        type: str
        choices: [fail, warn]
        default: fail
      timeout:
        description: Seconds after which it is ended, with all that it started, and has failed.
        type: int
        default: 600
      environment:
        description: Variables of its environment, beside C(FERRY_MIGRATION), C(FERRY_STAGE), C(FERRY_SYNC), C(FERRY_SYNC_NUMBER),
          C(FERRY_ROOT), C(FERRY_DISTRIBUTION) and C(FERRY_DISTRIBUTION_VERSION).
        type: dict
        default: {}
      secrets:
        description: >-
          Variables of its environment whose values are shown nowhere. Those of a first boot lie in the guest, readable for its
          administrators, until the script has run.
        type: dict
        default: {}
      no_log:
        description: Whether its output is shown nowhere either.
        type: bool
        default: false
extends_documentation_fragment:
  - ferry.hvm.attributes
attributes:
  check_mode:
    support: full
    details: The plan is made on overlays that are thrown away. Extensions are listed, and do not run. Where one comes before
      the preparation, what hinders that without it is told in C(notes).
  diff_mode:
    support: full
    details: Shows each file before and after, the commands that run in the guest, and extensions by name and digest.
  idempotent:
    support: full
author:
  - The Ferry authors (@ferry-hvm)
"""

EXAMPLES = r"""
- name: Prepare the guest
  ferry.hvm.worker_prepare:
    disks:
      - path: /dev/vdb
        name: sda
      - path: /dev/vdc
        name: sdb
    generation: web01-3
    interfaces:
      - source_mac: "00:50:56:aa:bb:01"
        target_mac: "52:54:00:12:34:56"

- name: Prepare the guest, and have its monitoring know the new place
  ferry.hvm.worker_prepare:
    disks:
      - path: /dev/vdb
        name: sda
    generation: web01-3
    sync:
      migration_id: web01
      number: 3
      kind: final
    extensions:
      - name: monitoring
        kind: bash
        stage: after
        syncs: [final]
        content: |
          sed -i "s/^site=.*/site=$SITE/" /etc/monitoring/agent.conf
        environment:
          SITE: hvm
"""

RETURN = r"""
guest:
  description:
    - What was found. Absent in check mode when an earlier preparation is yet to be finished. Of Windows
      there are its edition, build, controllers, boot services and connections.
  type: dict
  returned: success
  sample:
    distribution: Debian GNU/Linux 12 (bookworm)
    firmware: bios
    root: {device: sda1, disk: sda, partition: 1, type: ext4, uuid: 11111111-2222-3333-4444-555555555555}
    default_kernel: 6.1.0-56-amd64
    kernels: [6.1.0-56-amd64]
plan:
  description: The changes, in their order; made, or in check mode to be made.
  type: list
  elements: dict
  returned: success
  sample:
    - action: edit
      path: /etc/fstab
      why: device names change with the hardware, a file system's UUID does not
notes:
  description: What the operator should know, though it did not hinder.
  type: list
  elements: str
  returned: success
changed_extents:
  description: For each disk, the ranges of bytes that differ from the replica, in multiples of 8 KiB.
  type: dict
  returned: success
  sample: {sda: [{start: 1048576, length: 8192}], sdb: []}
extensions:
  description:
    - Each given extension, and its V(state) - V(ran), V(failed) where that only warns, V(would_run) in check mode, V(at_first_boot)
      where it lies in the guest for that, V(ran_earlier) on this very data, or V(not_in_this_sync).
    - C(code) is empty where its time was up. C(output) holds the last 32 KiB; C(output_cut) tells whether there was more.
    - Empty where a trial met an earlier preparation that is yet to be finished.
  type: list
  elements: dict
  returned: success
  sample:
    - name: monitoring
      kind: bash
      stage: after
      sha256: 3f5e9c2b7a41d0c86e1f2a9d4b7c5e8f0a1b2c3d4e5f60718293a4b5c6d7e8f9
      state: ran
      code: 0
      output: ""
      output_cut: false
      seconds: 0.12
seconds:
  description: How long each step took.
  type: dict
  returned: success
  sample: {inspect: 2.1, update-initramfs -u: 17.7}
"""

from typing import Any, Mapping

from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import (
    ArgumentSpec,
    Outcome,
    run_module,
)
from ansible_collections.ferry.hvm.plugins.module_utils.guest import extensions
from ansible_collections.ferry.hvm.plugins.module_utils.guest.prepare import prepare
from ansible_collections.ferry.hvm.plugins.module_utils.guest.report import (
    as_result,
    diff,
    has_changed,
    read_request,
    warnings,
)

SPEC = ArgumentSpec(
    options={
        "disks": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "path": {"type": "path", "required": True},
                "name": {"type": "str", "required": True},
            },
        },
        "generation": {"type": "str", "required": True},
        "stage": {"type": "path", "default": "/var/lib/ferry/prepare"},
        "interfaces": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "source_mac": {"type": "str", "required": True},
                "target_mac": {"type": "str"},
                "name": {"type": "str"},
            },
        },
        "encrypted": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "device": {"type": "str", "required": True},
                "key": {"type": "str", "required": True, "no_log": True},
            },
        },
        "serial_console": {"type": "bool", "default": False},
        "packages_directory": {"type": "path"},
        "virtio_win": {"type": "path"},
        "sync": {
            "type": "dict",
            "options": {
                "migration_id": {"type": "str", "required": True},
                "number": {"type": "int", "required": True},
                "kind": {"type": "str", "choices": list(extensions.SYNCS), "required": True},
            },
        },
        "extensions": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "kind": {"type": "str", "choices": list(extensions.KINDS), "required": True},
                "content": {"type": "str", "required": True, "no_log": True},
                "stage": {"type": "str", "choices": list(extensions.STAGES), "required": True},
                "syncs": {
                    "type": "list",
                    "elements": "str",
                    "choices": list(extensions.SYNCS),
                    "default": list(extensions.SYNCS),
                },
                "runs_on": {"type": "str", "choices": list(extensions.PLACES)},
                "failure": {
                    "type": "str",
                    "choices": list(extensions.FAILURES),
                    "default": extensions.FAIL,
                },
                "timeout": {"type": "int", "default": 600},
                "environment": {"type": "dict", "default": {}},
                "secrets": {"type": "dict", "default": {}, "no_log": True},
                "no_log": {"type": "bool", "default": False},
            },
        },
    },
)


def work(params: Mapping[str, Any], check_mode: bool) -> Outcome:
    """Prepare the guest, or in check mode say what would change."""
    report = prepare(read_request(params), trial=check_mode)
    return Outcome(
        changed=has_changed(report),
        result=as_result(report),
        diff=diff(report),
        warnings=warnings(report),
    )


def main() -> None:
    """Run the module."""
    run_module(SPEC, work)


if __name__ == "__main__":
    main()
