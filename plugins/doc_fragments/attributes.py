# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of the collection promises about itself, in the words of the documentation."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the attributes that modules and actions share."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the change that would be made, without making it.
  diff_mode:
    description: Returns what changed, or in check mode would change, when run with C(--diff).
  idempotent:
    description: A second run with the same arguments changes nothing and says so.
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: The module only reads.
  diff_mode:
    support: N/A
    details: The module only reads.
  idempotent:
    support: full
    details: The module only reads.
"""

    MORPHEUS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/ferry.hvm.morpheus) in C(module_defaults) to set the connection options once.
    support: full
    membership:
      - ferry.hvm.morpheus
"""

    VSPHERE = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/ferry.hvm.vsphere) in C(module_defaults) to set the connection options once.
    support: full
    membership:
      - ferry.hvm.vsphere
"""
