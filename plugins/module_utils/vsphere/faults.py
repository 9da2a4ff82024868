# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""From what pyvmomi raises to our errors. PRIVATE to the collection.

One place knows which fault may be repeated and which not. A fault is a data object and an exception at
once; its own text often is empty or of the vCenter's language, so its class is always named.
"""

from __future__ import annotations

from http.client import HTTPException
from socket import gaierror
from ssl import SSLCertVerificationError
from typing import Any, List, Optional
from xml.parsers.expat import ExpatError

from ..errors import FerryError
from ..trust import show_fault
from .errors import (
    BusyError,
    CertificateError,
    GoneError,
    LoggedOutError,
    LoginError,
    NoPrivilegeError,
    QuiesceError,
    RefusedError,
    UnreachableError,
)
from .sdk import vim, vmodl

# What pyvmomi lets through when there is no answer, or none that is one.
CONNECTION_FAULTS = (OSError, HTTPException, ExpatError)


def from_connection(error: Exception, *, peer: str, what: str) -> FerryError:
    """Return our error for a fault of the connection to `peer` during `what`."""
    if isinstance(error, SSLCertVerificationError):
        return CertificateError(
            f"The certificate of {peer} is not trusted: {error.verify_message}.",
            hint="Give the certificate of the authority that signed it as ca_path (a vCenter offers"
            " its own at /certs/download.zip), and use a name that the certificate holds.",
        )
    return UnreachableError(
        f"{peer} gave no answer to {what}: {show_fault(error)}.",
        hint="Check hostname, port, name resolution, firewall and that the vCenter runs.",
        sent=not isinstance(error, (ConnectionRefusedError, gaierror)),
    )


def from_fault(fault: Any, *, what: str) -> FerryError:
    """Return our error for a fault that the vCenter answered `what` with."""
    told = describe(fault)
    known = _about_the_user(fault, what, told) or _passing(fault, what, told)
    if known is not None:
        return known
    if isinstance(fault, vmodl.fault.ManagedObjectNotFound):
        return GoneError(f"There is no {show_ref(fault.obj)} on the vCenter ({what}).")
    if _is_about_quiescing(fault):
        return QuiesceError(
            f"The guest was not brought to a consistent state ({what}): {told}.",
            hint="See the events of the VM and its VMware Tools; quiesce=try goes on without.",
            fault=fault_name(fault),
        )
    return RefusedError(f"The vCenter refused {what}: {told}.", fault=fault_name(fault))


def fault_name(fault: Any) -> str:
    """Return the fault's class as the API calls it: "FileFault"."""
    return type(fault).__name__.rpartition(".")[2]


def show_ref(ref: Any) -> str:
    """Return a reference for a message: "VirtualMachine vm-42"; "object" where there is none."""
    return f"{type(ref).__name__.rpartition('.')[2]} {ref._moId}" if ref is not None else "object"


def describe(fault: Any) -> str:
    """Return all that the fault tells: its name, text, messages, file and property."""
    texts = [fault.msg or "", *(each.message or "" for each in fault.faultMessage)]
    texts += [str(getattr(fault, name, "") or "") for name in ("file", "invalidProperty", "reason")]
    unique: List[str] = list(dict.fromkeys(text.strip().rstrip(".") for text in texts))
    return ", ".join([fault_name(fault), *filter(None, unique)])


def _about_the_user(fault: Any, what: str, told: str) -> Optional[FerryError]:
    if isinstance(fault, vim.fault.NotAuthenticated):
        return LoggedOutError(f"The vCenter does not know the session that asked for {what}.")
    if isinstance(fault, vim.fault.InvalidLogin):
        return LoginError(
            f"The vCenter refuses the login: {told}.", hint="Check username and password."
        )
    if isinstance(fault, vim.fault.NoPermission):
        return NoPrivilegeError(
            f"The user may not do this: {what}. It needs the privilege {fault.privilegeId} on"
            f" {show_ref(fault.object)}.",
            hint="docs/vcenter.md lists the privileges that Ferry needs.",
        )
    return None


def _passing(fault: Any, what: str, told: str) -> Optional[FerryError]:
    if isinstance(fault, (vim.fault.TaskInProgress, vim.fault.ConcurrentAccess)):
        return BusyError(f"The vCenter could not do this now: {what}: {told}.")
    if isinstance(fault, vmodl.fault.HostCommunication):
        return UnreachableError(f"The vCenter did not reach the host for {what}: {told}.")
    return None


def _is_about_quiescing(fault: Any) -> bool:
    named = (
        vim.fault.ApplicationQuiesceFault,
        vim.fault.FilesystemQuiesceFault,
        vim.fault.ToolsUnavailable,
    )
    # Hosts also report it as a general fault whose messages have keys like
    # "msg.snapshot.error-QUIESCINGERROR" (known from backup products' logs, not tried here).
    return isinstance(fault, named) or any(
        "quiesc" in (each.key or "").lower() for each in fault.faultMessage
    )
