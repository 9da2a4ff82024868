# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the filters that put disks of a source beside volumes of a target."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the options that they share."""

    DOCUMENTATION = r"""
options:
  instance:
    description: The target instance, as M(ferry.hvm.morpheus_instance_info) returns it.
    type: dict
    required: true
  worker:
    description: Name of the worker volume, which takes no disk.
    type: str
    required: true
  only:
    description: Names of the disks to carry. Left out or empty, all fixed disks.
    type: list
    elements: str
    default: []
"""
