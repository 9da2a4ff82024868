# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Connection arguments of the vsphere modules, and from them to the room. PRIVATE to the collection.

Entry layer. Names and environment variables are those of the collection vmware.vmware, so that its
module_defaults and credentials serve both.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional, Tuple

from ansible.module_utils.basic import env_fallback, missing_required_lib

from ..errors import InputError
from ..trust import open_trust
from ..vsphere import sdk
from ..vsphere.errors import MissingLibraryError
from ..vsphere.machines import MachineCalled
from ..vsphere.session import Endpoint, Session, User
from ..waiting import Waiter
from .run import ArgumentSpec

Params = Mapping[str, Any]

CONNECTION = ArgumentSpec(
    options={
        "hostname": {"type": "str", "fallback": (env_fallback, ["VMWARE_HOST"])},
        "username": {
            "type": "str",
            "aliases": ["admin", "user"],
            "fallback": (env_fallback, ["VMWARE_USER"]),
        },
        "password": {
            "type": "str",
            "aliases": ["pass", "pwd"],
            "no_log": True,
            "fallback": (env_fallback, ["VMWARE_PASSWORD"]),
        },
        "port": {"type": "int", "default": 443, "fallback": (env_fallback, ["VMWARE_PORT"])},
        "validate_certs": {
            "type": "bool",
            "default": True,
            "fallback": (env_fallback, ["VMWARE_VALIDATE_CERTS"]),
        },
        "ca_path": {"type": "path", "fallback": (env_fallback, ["VMWARE_CA_PATH"])},
        "proxy_host": {"type": "str", "fallback": (env_fallback, ["VMWARE_PROXY_HOST"])},
        "proxy_port": {"type": "int", "fallback": (env_fallback, ["VMWARE_PROXY_PORT"])},
        "timeout": {"type": "int", "default": 120},
    },
    required_together=[("proxy_host", "proxy_port")],
)

_NEEDED = {
    "hostname": "VMWARE_HOST",
    "username": "VMWARE_USER",
    "password": "VMWARE_PASSWORD",
}

# How a VM is called.
MACHINE = ArgumentSpec(
    options={"moid": {"type": "str"}, "uuid": {"type": "str"}, "name": {"type": "str"}},
    mutually_exclusive=[("moid", "uuid", "name")],
)

ONE_MACHINE = ArgumentSpec(required_one_of=[("moid", "uuid", "name")]).with_options(MACHINE)


def open_session(params: Params) -> Session:
    """Return a session with the vCenter that the options name; nothing was sent yet.

    Raises `InputError` for options that are missing, `MissingLibraryError` without pyvmomi.
    """
    need_connection(params)
    endpoint = Endpoint(
        hostname=params["hostname"],
        trust=open_trust(params["ca_path"] or "", verify_peer=params["validate_certs"]),
        port=params["port"],
        timeout=params["timeout"],
        proxy=_proxy(params),
    )
    return Session(endpoint, User(params["username"], params["password"]))


def need_connection(params: Params) -> None:
    """Raise `InputError` for options that are missing, `MissingLibraryError` without pyvmomi."""
    if sdk.IMPORT_FAULT:
        raise MissingLibraryError(missing_required_lib("pyvmomi"), hint=sdk.IMPORT_FAULT)
    for option, variable in _NEEDED.items():
        if not params[option]:
            raise InputError(
                f"No {option} is given for the vCenter.",
                hint=f"Set the option {option} or the variable {variable}.",
            )


def open_waiter(params: Params) -> Waiter:
    """Return the patience that the option `wait_timeout` asks for."""
    return Waiter(timeout=params["wait_timeout"])


def read_called(params: Params) -> Optional[MachineCalled]:
    """Return how the options call a VM, None if they name none."""
    called = MachineCalled(params["moid"] or "", params["uuid"] or "", params["name"] or "")
    return called if called != MachineCalled() else None


def need_called(params: Params) -> MachineCalled:
    """Return how the options call a VM. Raises `InputError` for names that are empty."""
    called = read_called(params)
    if called is None:
        raise InputError("No VM is named.", hint="Set moid, uuid or name.")
    return called


def _proxy(params: Params) -> Optional[Tuple[str, int]]:
    return (params["proxy_host"], params["proxy_port"]) if params["proxy_host"] else None
