# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Connection arguments of the morpheus modules, and from them to the room. PRIVATE to the collection.

Entry layer. What a module's options are in Ansible's words is turned into the room's nouns by a file of this layer for
each kind of object; so a module that only looks does not load what another needs to create.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible.module_utils.basic import env_fallback

from ..errors import InputError
from ..morpheus.client import Credentials, MorpheusClient, Password, Token
from ..morpheus.transport import HttpsTransport
from ..waiting import Waiter
from .run import ArgumentSpec

Params = Mapping[str, Any]

CONNECTION = ArgumentSpec(
    options={
        "url": {"type": "str", "fallback": (env_fallback, ["MORPHEUS_URL"])},
        "token": {
            "type": "str",
            "no_log": True,
            "fallback": (env_fallback, ["MORPHEUS_TOKEN"]),
        },
        "username": {"type": "str", "fallback": (env_fallback, ["MORPHEUS_USERNAME"])},
        "password": {
            "type": "str",
            "no_log": True,
            "fallback": (env_fallback, ["MORPHEUS_PASSWORD"]),
        },
        "ca_path": {"type": "path", "fallback": (env_fallback, ["MORPHEUS_CA_PATH"])},
        "validate_certs": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 60},
        "wait_timeout": {"type": "int", "default": 900},
    }
)


def open_client(params: Params) -> MorpheusClient:
    """Return a client of the appliance that the options name, known to be new enough.

    Raises `InputError` for options that are missing, and what talking to the appliance raises.
    """
    if not params["url"]:
        raise InputError(
            "No appliance is given.", hint="Set the option url or the variable MORPHEUS_URL."
        )
    transport = HttpsTransport(
        params["url"],
        ca_path=params["ca_path"] or "",
        verify_peer=params["validate_certs"],
        timeout=params["timeout"],
    )
    client = MorpheusClient(transport, _credentials(params))
    client.require_version()
    return client


def open_waiter(params: Params) -> Waiter:
    """Return the patience that the option `wait_timeout` asks for."""
    return Waiter(timeout=params["wait_timeout"])


def read_tags(params: Params) -> Dict[str, str]:
    """Return the tags as text: numbers and booleans of a playbook have no type on the appliance."""
    return {str(name): str(value) for name, value in (params["tags"] or {}).items()}


def _credentials(params: Params) -> Credentials:
    if params["token"]:
        return Token(params["token"])
    if params["username"] and params["password"]:
        return Password(params["username"], params["password"])
    raise InputError(
        f"No credentials are given for the appliance {params['url']}.",
        hint="Set token, or username and password (or MORPHEUS_TOKEN, or MORPHEUS_USERNAME and"
        " MORPHEUS_PASSWORD).",
    )
