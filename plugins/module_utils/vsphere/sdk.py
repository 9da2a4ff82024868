# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""pyvmomi, or the reason why it is not there. PRIVATE to the collection.

Room vsphere, bottom: the only file that imports pyvmomi. A module is loaded before it can tell that a
library is missing, so the names are None then; `need_library` is asked first of all.
"""

from __future__ import annotations

from .errors import MissingLibraryError

IMPORT_FAULT = ""
try:
    from pyVmomi import SoapStubAdapter, vim, vmodl
    from pyVmomi.VmomiSupport import GetServiceVersions, versionIdMap
except Exception as error:  # noqa: BLE001 - on a Python that is too old pyvmomi raises just this
    SoapStubAdapter = vim = vmodl = GetServiceVersions = None
    versionIdMap = {}  # noqa: N816 - pyvmomi's own name
    IMPORT_FAULT = str(error)

__all__ = [
    "IMPORT_FAULT",
    "GetServiceVersions",
    "SoapStubAdapter",
    "need_library",
    "versionIdMap",
    "vim",
    "vmodl",
]


def need_library() -> None:
    """Return if pyvmomi is there. Raises `MissingLibraryError`."""
    if IMPORT_FAULT:
        raise MissingLibraryError(
            f"The Python library pyvmomi cannot be used: {IMPORT_FAULT}.",
            hint="Install pyvmomi for the Python that runs the module.",
        )
