# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options with which every morpheus module reaches its appliance."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the connection options; their specification is in module_utils/entry."""

    DOCUMENTATION = r"""
options:
  url:
    description:
      - Address of the appliance, V(https://name) with a port if it is not 443. There is no other scheme.
      - Without it the environment variable E(MORPHEUS_URL) is used. One of them is needed.
    type: str
  token:
    description:
      - An access token made on the appliance. It wins over O(username) and O(password).
      - Without it the environment variable E(MORPHEUS_TOKEN) is used.
    type: str
  username:
    description:
      - The user to log in as, at the first request. A user of a sub-tenant is V(subdomain\\user).
      - Without it the environment variable E(MORPHEUS_USERNAME) is used.
    type: str
  password:
    description:
      - Password of O(username).
      - Without it the environment variable E(MORPHEUS_PASSWORD) is used.
    type: str
  ca_path:
    description:
      - A PEM file, or a folder of hashed ones, with the certificates that may have signed the appliance's.
        For a self-signed appliance this is its own certificate. Nothing else is trusted then.
      - Without it, and without the environment variable E(MORPHEUS_CA_PATH), the system's certificates are trusted.
    type: path
  validate_certs:
    description:
      - Whether the appliance must show a trusted certificate with its own name.
      - With V(false) anybody on the way can read the credentials. Give O(ca_path) instead.
    type: bool
    default: true
  timeout:
    description:
      - Seconds to wait for each answer of the appliance.
    type: int
    default: 60
  wait_timeout:
    description:
      - Seconds to wait for the appliance to finish what it was asked for, for each step of it.
      - Provisioning copies the image to the cluster first, which can take minutes.
    type: int
    default: 900
notes:
  - The appliance must be of version 8.0.8 or later. Earlier ones cannot make an attached volume the boot volume.
  - Reading and removing are repeated when the appliance does not answer. Where the answer to a change is lost,
    the module looks whether the change was made before it asks again.
  - The module runs on the host of the task. To run it on the controller use C(delegate_to=localhost).
  - The appliance is reached directly; proxies that the environment names are not used.
"""
