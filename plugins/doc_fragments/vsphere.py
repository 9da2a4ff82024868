# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options with which every vsphere module reaches its vCenter, and names a VM there."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the options; their specification is in module_utils/entry/vcenter.py."""

    DOCUMENTATION = r"""
options:
  hostname:
    description:
      - Name or address of the vCenter, or of a single ESXi host.
      - Without it the environment variable E(VMWARE_HOST) is used. One of them is needed.
    type: str
  username:
    description:
      - The user to log in as, for example V(ferry@vsphere.local).
      - Without it the environment variable E(VMWARE_USER) is used. One of them is needed.
    type: str
    aliases: [admin, user]
  password:
    description:
      - Password of O(username).
      - Without it the environment variable E(VMWARE_PASSWORD) is used. One of them is needed.
    type: str
    aliases: [pass, pwd]
  port:
    description:
      - TCP port of the vCenter.
      - Without it the environment variable E(VMWARE_PORT) is used.
    type: int
    default: 443
  validate_certs:
    description:
      - Whether the vCenter must show a trusted certificate with its own name.
      - With V(false) anybody on the way can read the password. Give O(ca_path) instead.
      - Without it the environment variable E(VMWARE_VALIDATE_CERTS) is used.
    type: bool
    default: true
  ca_path:
    description:
      - A PEM file, or a folder of hashed ones, with the certificates that may have signed the vCenter's. A vCenter
        offers its own authority's at V(/certs/download.zip). Nothing else is trusted then.
      - Without it, and without the environment variable E(VMWARE_CA_PATH), the system's certificates are trusted.
    type: path
  proxy_host:
    description:
      - Name or address of an HTTP proxy that connects to the vCenter. It is spoken to by C(CONNECT), so it sees nothing of
        what is said.
      - Without it the environment variable E(VMWARE_PROXY_HOST) is used.
    type: str
  proxy_port:
    description:
      - TCP port of O(proxy_host).
      - Without it the environment variable E(VMWARE_PROXY_PORT) is used.
    type: int
  timeout:
    description:
      - Seconds to wait for each answer of the vCenter. It may think for minutes about the changed areas of a large disk.
    type: int
    default: 120
requirements:
  - pyvmomi >= 8.0.1.0 on the host that runs the module; its releases since 9.0 need Python 3.10
notes:
  - The connection options and their environment variables are those of the collection C(vmware.vmware); O(ca_path) and
    O(timeout) are Ferry's own.
  - Reading is repeated when the vCenter does not answer, and a session that it forgot is opened again. Where the answer to
    a change is lost, the module looks whether the change was made before it asks again.
  - The module runs on the host of the task. To run it on the controller use C(delegate_to=localhost).
"""

    MACHINE = r"""
options:
  moid:
    description:
      - The VM's reference, for example V(vm-42). It stays as long as the vCenter knows the VM.
    type: str
  uuid:
    description:
      - The VM's instance UUID. It stays with the VM; the BIOS UUID, which copies of a VM share, is not used.
    type: str
  name:
    description:
      - The VM's name, or its inventory path, for example V(/DC0/vm/web/web01). A name with a slash is taken as a path.
      - Case matters.
    type: str
"""
