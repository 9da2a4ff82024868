#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: worker_replicate
short_description: Make the target's disks equal to the source's, on the worker
version_added: 0.1.0
author:
  - The Ferry authors (@ferry-hvm)
description:
  - Runs one sync on the worker. The receiver dials the source's sender, compares disk by disk, fetches what
    differs, and ends when both ends agree on the digest of every disk.
  - Each source disk goes to exactly one device of the worker, known by the serial of its volume. Where the
    hypervisor gives none, it is known by what the volume held at its last sync, else by a size that no other
    has, and by its unit number only with O(units_in_order). Whatever leaves a doubt is refused before anything is
    written, and so are a missing disk, one that is in use (the worker's own is), and one that is smaller than its
    source.
  - The receiver is a process of its own. It survives the controller; a task for the same run follows it, a
    task for another run of the same migration stops it first.
  - While it runs the task shows progress, as one line that is written over on a terminal with a single
    migration, otherwise as sparse plain lines. The receiver is looked at every 3 s; an absence of the network
    of up to 5 minutes does not fail the task.
extends_documentation_fragment:
  - ferry.hvm.attributes
attributes:
  check_mode:
    support: full
    details: Returns which device would take which disk.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: A run that ended well is not run again; RV(replication) is its result.
options:
  migration_id:
    description: The migration. By it a later run finds the receiver that an earlier one left.
    type: str
    required: true
  run:
    description:
      - The run, that is one sync, as given to M(ferry.hvm.source_export).
      - The worker holds the key of the run in C(/run/ferry/<run>), made by its command C(ferry-identity).
    type: str
    required: true
  address:
    description: The source server's address, as the worker reaches it.
    type: str
    required: true
  port:
    description: The port that the source's sender listens on.
    type: int
    default: 5994
  source_certificate:
    description: The sender's certificate, PEM, as M(ferry.hvm.source_export) returned it.
    type: str
    required: true
  source_disks:
    description: The disks that the sender serves, as M(ferry.hvm.source_export) returned them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The disk's name.
        type: str
        required: true
      path:
        description: Where the source has it. Not used here.
        type: str
      size:
        description: Its size in bytes.
        type: int
        required: true
      unused:
        description: Bytes of it that the source serves as zeros because no file system uses them; left out, it did not look.
        type: int
      uuid:
        description: The backing of a VM's disk. It is only repeated in the result.
        type: str
        default: ''
      reader:
        description: By what a VM's disk is read. It is only repeated in the result and its last line.
        type: str
        default: ''
      delta_reason:
        description: >-
          Why all of a VM's disk is read, though an earlier sync is known; empty where only what changed is. It is only
          repeated in the result and its last line.
        type: str
        default: ''
      target_index:
        description:
          - Whether the source is asked for what it vouches for, which is then not read but for a random sample. One
            difference in the sample, and all is compared.
        type: bool
        default: false
      target_index_reason:
        description: Why the source vouches for nothing. It is only repeated in the result and its last line.
        type: str
        default: ''
  target_disks:
    description: For each source disk the volume that takes it.
    type: list
    elements: dict
    required: true
    suboptions:
      source:
        description: The source disk's name.
        type: str
        required: true
      serial:
        description: The volume's serial, that is its uuid; the first 20 characters count.
        type: str
        default: ''
      unit:
        description:
          - The volume's unit number on its controller. It is used only with O(units_in_order), for disks that
            nothing else tells apart.
        type: int
      size:
        description: The volume's size in bytes; V(0) if it is not known.
        type: int
        default: 0
      path:
        description: The device on the worker, for a platform that tells neither serial nor unit.
        type: str
        default: ''
      content:
        description:
          - Kind and id of what the volume held at its last sync, as RV(replication) named it then. Empty if it
            is not known.
        type: str
        default: ''
  units_in_order:
    description:
      - Whether the hypervisor is known to give a higher unit number a higher PCI address. The worker cannot
        find that out, and where it is not so a disk takes another's place. Equal disks without serials are
        refused without it.
    type: bool
    default: false
  connections:
    description:
      - How many connections carry a disk at a time; of all disks at once together at most 8.
      - V(0) begins with two, and adds more while the link's delay keeps these from carrying what it could.
    type: int
    default: 0
  disks_at_once:
    description:
      - How many disks cross at a time. One after the other is the best for disks that share what they are on;
        several at once use sources and targets whose disks are apart.
    type: int
    default: 1
  stall_limit:
    description:
      - Seconds after which a disk of which nothing gets further, at either end, counts as hung and fails the
        sync. The default is longer than what Linux itself retries. What a source reads before it can answer
        counts, and is told each 20 seconds.
    type: int
    default: 600
  initial:
    description:
      - Whether this is the first sync of these volumes. It also empties what a volume has beyond its source,
        and leaves reading back what was written to the next sync, which reads everything.
    type: bool
    default: false
  source_view:
    description: The word for what the source's disks are while they are read, from M(ferry.hvm.source_export).
    type: str
    default: moving
  wait:
    description: Follow the receiver until it ends. Otherwise the task returns when it was started.
    type: bool
    default: true
seealso:
  - module: ferry.hvm.source_export
"""

EXAMPLES = r"""
- name: Make the target's disks equal to the source's
  ferry.hvm.worker_replicate:
    migration_id: web01
    run: web01-2
    address: 198.18.1.11
    source_certificate: "{{ opened.export.certificate }}"
    source_disks: "{{ opened.export.disks }}"
    source_view: "{{ opened.export.source_view }}"
    target_disks:
      - {source: sda, serial: 1b4e28ba-2fa1-11d2-883f-0016d3cca427, unit: 1, size: 3221225472}
  delegate_to: ferry-worker-web01
  register: synced
"""

RETURN = r"""
replication:
  description: The sync.
  type: dict
  returned: success
  contains:
    migration_id:
      description: The migration.
      type: str
      sample: web01
    run:
      description: The run.
      type: str
      sample: web01-2
    state:
      description: V(done), or V(running) without O(wait), or V(planned) in check mode.
      type: str
      sample: done
    directory:
      description: The run's folder on the worker, with its log C(receiver.log).
      type: str
      sample: /run/ferry/web01-2
    pid:
      description: The receiver's process id on the worker; not in check mode.
      type: int
      sample: 412
    replaced:
      description: The runs of this migration whose receivers were alive and had to go.
      type: list
      elements: str
      sample: []
    seconds:
      description: How long the sync took; only when it is done.
      type: float
      sample: 12.4
    disks:
      description: >-
        The disks. C(name), C(size), C(target) (the device), C(found_by) (V(path), V(serial), V(content), V(size)
        or V(unit)) always; the other keys when the sync is done. C(content) is kind and id of what the disk holds
        then, such as its partition table's. Of a VM's disks also C(uuid), C(reader), C(delta_reason) and C(target_index_reason), as they were given.
      type: list
      elements: dict
      contains:
        name:
          description: The source disk's name.
          type: str
          sample: sda
        size:
          description: Its size in bytes.
          type: int
          sample: 3221225472
        target:
          description: The worker's device.
          type: str
          sample: /dev/vdb
        found_by:
          description: What the device was known by.
          type: str
          sample: serial
        compared:
          description: Bytes whose digest both ends hold in common. All of the disk, in a sync that ended well.
          type: int
          sample: 3221225472
        same:
          description: Bytes of it that the target had already.
          type: int
          sample: 3187671040
        zero:
          description: Bytes of it that became zero.
          type: int
          sample: 0
        data:
          description: Bytes of it that were fetched.
          type: int
          sample: 33554432
        sent:
          description: Bytes that the source sent for it, before TLS.
          type: int
          sample: 33561892
        asked:
          description: Bytes that the worker sent for it, before TLS.
          type: int
          sample: 53244
        repaired:
          description: Chunks that were asked for again.
          type: int
          sample: 0
        claim:
          description: What was proven.
          type: dict
          contains:
            root:
              description: The root of the disk's digests, the same at both ends.
              type: str
              sample: 6d5e3a5cb7d4cbe3c8a3d0eb5a0cc1f7
            algorithm:
              description: The digest.
              type: str
              sample: blake2b
            source_view:
              description: What the disk was while it was read.
              type: str
              sample: moving
            source_read:
              description:
                - Bytes that the source C(read), took from its index (C(indexed)), and C(sampled).
                - C(missed) had changed though no changed extent told of it. They were read all the same.
              type: dict
              sample: {indexed: 0, missed: 0, read: 3221225472, sampled: 0}
            target_read:
              description: >-
                V(read_back) after the flush, or V(before_write). V(index) where some of the disk was not read, since source
                and snapshot of the target vouch for it; what was written was read back.
              type: str
              sample: read_back
            source_unused:
              description: >-
                Bytes that no file system of the source used, which are zeros on the target whatever the source
                held there; null where all of the disk was carried.
              type: int
              sample: 1879048192
            target_index:
              description: >-
                With O(source_disks[].target_index) the bytes that the source C(offered), those of them that were C(adopted),
                those that were C(sampled) to try that, and all that was C(read) of the target to be compared. Null without.
              type: dict
              sample: {adopted: 3213885440, offered: 3213885440, read: 275775488, sampled: 268435456}
"""

from ansible_collections.ferry.hvm.plugins.module_utils.entry.replicate import SPEC, work_replicate
from ansible_collections.ferry.hvm.plugins.module_utils.entry.run import run_module


def main() -> None:
    run_module(SPEC, work_replicate)


if __name__ == "__main__":
    main()
