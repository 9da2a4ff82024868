# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: source_export
short_description: Open a source server's disks to one worker for one run
version_added: 0.1.0
author:
  - The Ferry authors (@ferry-hvm)
description:
  - Starts Ferry's sender on the source server and waits until it listens, or ends it and removes all that
    belongs to it, snapshots of LVM too. The disks are only read.
  - The sender serves a run to exactly one worker, the owner of O(worker_certificate). The run's own private key is made
    on the controller in memory, crosses on SSH's standard input and is never written to a file system of
    the server; it is in no result, no log and no command line.
  - The program lies in C(/run/ferry/<migration_id>) while it runs. No agent is installed, no service is
    defined, and no firewall is changed.
  - It needs SSH, root (by O(ignore:become) or as the login user) and any Python from 3.6 on.
extends_documentation_fragment:
  - ferry.hvm.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: partial
    details: Shows what O(state=limited) changes.
  idempotent:
    support: full
    details: An export of the same run to the same worker is left running.
options:
  state:
    description:
      - V(started) has the disks served for O(run). A sender of the same migration for another run or
        another worker is stopped first, RV(replaced) names it.
      - V(limited) changes O(bandwidth_limit) or O(total_bandwidth_limit), while data flows; the migration's run
        must be served.
      - V(absent) ends what is served for the migration, of whatever run, and removes its folder. A sender leaves
        with its last run.
    type: str
    choices: [started, limited, absent]
    default: started
  migration_id:
    description:
      - The migration. By it a later run finds what an earlier one left.
      - 1 to 63 lower case letters, digits and hyphens.
    type: str
    required: true
  run:
    description:
      - The run, that is one sync, in the characters of O(migration_id). Both ends take their TLS server
        name from it.
      - Required for O(state=started).
    type: str
  worker_certificate:
    description:
      - The certificate of the worker that may read the disks, PEM. Nobody else is let in.
      - Required for O(state=started).
    type: str
  port:
    description: The TCP port to listen on.
    type: int
    default: 5994
  bind:
    description: The address to listen on; every address of the server if empty.
    type: str
    default: ''
  disks:
    description:
      - The disks to serve, by name (V(sda)) or by the path of a block device or file.
      - Every fixed disk of the server if empty.
    type: list
    elements: str
    default: []
  lease:
    description:
      - Seconds after which a run ends and removes itself if its worker is not connected and none of its tasks
        asks for it, so that a controller that never comes back leaves no open port. The default is for a worker that boots
        slowly.
    type: int
    default: 1800
  source_view:
    description:
      - What the disks are while they are read; it goes into the claim of the sync.
      - V(moving) is the truth for a server at work. What was written during the sync may be on the target in
        part; a later sync compares and mends it.
      - V(lvm_snapshot) reads volumes of LVM through snapshots that are taken at the start and removed at the end.
        Each file system is then as it was at one moment. Partition tables and LVM's metadata are those of before
        the snapshots; C(/boot) and C(/boot/efi) outside of LVM are read as they are. It is refused if another
        file system of the disks can be written and lies on no volume of type linear or striped, if a volume, an
        array or an encrypted device without a snapshot is active and not mounted, if a program has a disk or
        partition open for writing, and if a group has too little free space. A snapshot that overflows fails
        the sync.
      - V(stopped) is refused if any file system of the disks can still be written.
      - V(auto) is V(stopped) if file systems of every disk are mounted and none can be written, else
        V(lvm_snapshot) if that is possible, else V(moving); RV(export.source_view_reason) says why.
        A disk without mounted file systems, LVM and swap makes it V(moving), for nobody tells whether it is used;
        choose V(lvm_snapshot) yourself if it is not.
    type: str
    choices: [auto, moving, lvm_snapshot, stopped]
    default: auto
  used_blocks:
    description:
      - Whether what no file system uses is served as zeros instead of being read. It is decided once, at the start,
        for whole granules of 64 KiB of the ext2, ext3, ext4 and XFS file systems that are mounted on partitions and
        linear volumes of these disks. Any doubt about a file system, such as a journal that has to be replayed, has
        it served whole; RV(export.file_systems) says why.
      - Deleted files cannot be brought back from the copy, and what a file system does not know that it uses is lost.
      - It is refused where the view is V(moving), and with O(vm_snapshot).
    type: bool
    default: false
  bandwidth_limit:
    description:
      - Bytes a second that the run may send, over all its connections; at least 65536, or V(0) for as many
        as the link takes.
      - Left out, V(0) for O(state=started), and for O(state=limited) as it is.
    type: int
  total_bandwidth_limit:
    description:
      - Bytes a second that the sender may send over all its runs; at least 65536, or V(0) for as many as the
        link takes. Runs that could send more than that get equally many bytes.
      - Left out, it stays as another run has set it, or is V(0).
    type: int
  gives_way:
    description:
      - Whether the run takes processor and disks only when the server's own work leaves them free (lowest
        nice value, lowest level of best-effort disk priority).
    type: bool
    default: false
  shared:
    description:
      - Whether one sender may serve this run and others that say the same on O(port), up to 16. They have the
        same O(bind) and come from the same release of Ferry; each has its own worker, disks, lease and limit.
      - This is for a host that carries many migrations. A source server is exported to one at a time.
    type: bool
    default: false
  target_index:
    description:
      - What the target was just reverted to, so that the source may vouch for what neither side changed since. It
        is for a target that nothing wrote to after the revert; whoever says so wrongly has only the worker's random
        sample between him and a wrong target.
      - Where the source worker has noted otherwise at that snapshot (M(ferry.hvm.source_target_index)), or has noted
        nothing, or reads all of the source, C(target_index_reason) in RV(export.disks) says so and all is compared.
      - A start takes all notes of the migration, with this option or without.
    type: dict
    suboptions:
      instance:
        description: The appliance's number of the target instance.
        type: str
        required: true
      snapshot:
        description: The appliance's number of the snapshot.
        type: str
        required: true
      volumes:
        description: The appliance's numbers of the volumes that the snapshot holds, by the names of their disks.
        type: dict
        required: true
  vm_snapshot:
    description:
      - Has the host, a source worker, serve the disks of a VM's snapshot instead of its own. O(disks) and
        O(source_view) are not used then; the claim says C(vcenter_snapshot).
      - The VM has exactly one snapshot of O(migration_id), as M(ferry.hvm.vsphere_snapshot) takes it.
      - The host needs pyvmomi for the Python that runs the sender, and port 443 of the vCenter, for the reader
        V(export) that of the ESXi hosts too, for V(vddk) their port 902. The credentials are in the sender's
        memory while it serves the run, and nowhere else.
    type: dict
    suboptions:
      hostname:
        description: Name or address of the vCenter. Without it the controller's E(VMWARE_HOST).
        type: str
      username:
        description: The user to log in as. Without it the controller's E(VMWARE_USER).
        type: str
        aliases: [admin, user]
      password:
        description: Its password. Without it the controller's E(VMWARE_PASSWORD).
        type: str
        aliases: [pass, pwd]
      port:
        description: TCP port of the vCenter. Without it the controller's E(VMWARE_PORT).
        type: int
        default: 443
      validate_certs:
        description: Whether certificates are checked. Without it the controller's E(VMWARE_VALIDATE_CERTS).
        type: bool
        default: true
      ca_path:
        description:
          - A PEM file on the controller with the certificates that may have signed those of the vCenter and its
            hosts. Without it the controller's E(VMWARE_CA_PATH), else what the source worker's system trusts.
        type: path
      proxy_host:
        description: HTTP proxy to the vCenter. Without it the controller's E(VMWARE_PROXY_HOST).
        type: str
      proxy_port:
        description: TCP port of O(vm_snapshot.proxy_host). Without it the controller's E(VMWARE_PROXY_PORT).
        type: int
      timeout:
        description: Seconds to wait for each answer of the vCenter.
        type: int
        default: 120
      moid:
        description: The VM's reference. One of this, O(vm_snapshot.uuid) and O(vm_snapshot.name) is needed.
        type: str
      uuid:
        description: The VM's instance UUID.
        type: str
      name:
        description: The VM's name, or its inventory path.
        type: str
      reader:
        description:
          - How the disks are read. V(auto) takes the first of the others that is right for a disk;
            RV(export.readings) says which and why.
          - V(vddk) needs nbdkit with its plugin and VMware's library on the source worker.
          - V(datastore) needs a flat file and no older snapshot.
          - V(export) reads all of a disk, as one stream, in every sync.
        type: str
        choices: [auto, vddk, datastore, export]
        default: auto
      reads_all:
        description: Whether all of the disks is read, and held against what change tracking told.
        type: bool
        default: false
      left_out_disks:
        description: Keys of disks that are not served.
        type: list
        elements: int
        default: []
      index_directory:
        description: Where the source worker keeps the digests by which a delta reads only what changed.
        type: str
        default: /var/lib/ferry/indexes
      vddk_libdir:
        description: Folder of the unpacked VDDK on the source worker; the plugin's own if left out.
        type: str
      reads_per_host:
        description:
          - How many reads, of up to 1 MiB each, the source worker has at work on one ESXi host, over all migrations
            that it serves. The latest start decides.
        type: int
        default: 16
      reads_per_datastore:
        description: The same for one datastore.
        type: int
        default: 16
notes:
  - The Python is the one of C(ansible_python_interpreter) if the inventory sets it. Otherwise the first
    that runs of C(python3), C(/usr/libexec/platform-python) and C(python3.15) down to C(python3.6).
seealso:
  - module: ferry.hvm.source_info
  - module: ferry.hvm.worker_replicate
"""

EXAMPLES = r"""
- name: Open the source's disks to the worker
  ferry.hvm.source_export:
    migration_id: web01
    run: web01-2
    worker_certificate: "{{ worker_identity.stdout }}"
  register: opened
  become: true

- name: Leave more of the link to others, while data flows
  ferry.hvm.source_export:
    migration_id: web01
    state: limited
    bandwidth_limit: 12500000
  become: true

- name: Leave more of the link to others, whatever number of runs the host serves
  ferry.hvm.source_export:
    migration_id: web01
    state: limited
    total_bandwidth_limit: 62500000
  become: true

- name: Close them again
  ferry.hvm.source_export:
    migration_id: web01
    state: absent
  become: true
"""

RETURN = r"""
export:
  description: >-
    What is served and how to reach it; C(certificate) and C(pid) are null in check mode.
  type: dict
  returned: O(state=started)
  contains:
    certificate:
      description: The sender's certificate, PEM; the receiver trusts exactly this one.
      type: str
      sample: "-----BEGIN CERTIFICATE-----\n..."
    port:
      description: The TCP port.
      type: int
      sample: 5994
    disks:
      description: >-
        The disks, C(name), C(path) and C(size) in bytes; without sizes in check mode. With O(used_blocks) also
        C(unused), the bytes that are served as zeros; with O(vm_snapshot) also C(uuid), that of the backing, C(reader)
        and C(delta_reason), as in RV(export.readings). With O(target_index) also C(target_index), whether the target
        may ask what the source vouches for, and C(target_index_reason), why not.
      type: list
      elements: dict
      sample:
        - {name: sda, path: /dev/sda, size: 3221225472, unused: 1879048192}
    readings:
      description:
        - How the disks of O(vm_snapshot) are read, C(name), C(reader) and C(reader_reason); how many bytes
          C(changed) since the last sync, and where that is not believed C(delta_reason) and C(delta_detail).
        - Empty for a server's own disks.
      type: list
      elements: dict
      sample: []
    source_view:
      description: What the disks are while they are read; in check mode what they would be.
      type: str
      sample: moving
    source_view_reason:
      description: Why V(auto) chose V(moving); empty otherwise.
      type: str
      sample: The source has no LVM.
    file_systems:
      description: >-
        With O(used_blocks) each mounted file system of the disks, how many bytes of it are C(unused), and where
        none are the C(reason). Empty without, null in check mode.
      type: list
      elements: dict
      sample:
        - {place: /, type: ext4, unused: 1879048192, reason: ''}
        - {place: /srv, type: xfs, unused: 0, reason: its log has to be replayed}
    pid:
      description: The sender's process id.
      type: int
      sample: 4711
replaced:
  description: >-
    The sender of the same migration that had to go first: C(migration_id), C(run), C(pid), C(port) and
    what C(differs). Null if there was none.
  type: dict
  returned: O(state=started)
  sample: {differs: 'run, worker_certificate', migration_id: web01, pid: 4703, port: 5994, run: web01-1}
"""
