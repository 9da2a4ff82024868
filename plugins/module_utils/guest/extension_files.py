# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Extensions as the operator writes them, with their scripts in files of the controller."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ..errors import InputError
from .extensions import FAIL, SUFFIXES, SYNCS, read_extensions, refuse

_USUAL: Dict[str, Any] = {
    "syncs": list(SYNCS),
    "failure": FAIL,
    "timeout": 600,
    "no_log": False,
}


def load_extensions(given: Sequence[Mapping[str, Any]]) -> List[Dict[str, Any]]:
    """Return the extensions with their scripts' text, as `worker_prepare` takes them.

    Raises InputError that names every script that cannot be read, and all else that is wrong.
    """
    faults: List[str] = []
    loaded = [_load(each, faults) for each in given]
    refuse(faults)
    read_extensions(loaded)
    return loaded


def extension_faults(given: Sequence[Mapping[str, Any]]) -> List[str]:
    """Return why the extensions cannot be used, in sentences; nothing if they can."""
    try:
        load_extensions(given)
    except InputError as error:
        return [error.what]
    return []


def _load(given: Mapping[str, Any], faults: List[str]) -> Dict[str, Any]:
    title = f"The extension {given['name']!r}"
    path = given.get("script")
    if (path is None) == (given.get("content") is None):
        faults.append(f"{title} needs either script, a file of the controller, or content.")
    kind = given.get("kind") or _kind_of(path or "")
    if kind is None:
        faults.append(f"{title} does not tell what it is: set kind to {', '.join(SUFFIXES)}.")
    loaded = {key: value for key, value in given.items() if key != "script" and value is not None}
    return {**_USUAL, **loaded, "kind": kind, "content": _content(given, title, faults)}


def _kind_of(path: str) -> Optional[str]:
    return next((kind for kind, suffix in SUFFIXES.items() if path.endswith(suffix)), None)


def _content(given: Mapping[str, Any], title: str, faults: List[str]) -> str:
    if given.get("content") is not None or given.get("script") is None:
        return str(given.get("content") or "")
    path = os.path.expanduser(given["script"])
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except OSError as error:
        faults.append(f"{title} cannot be read from {path}: {error.strerror}.")
    except UnicodeDecodeError:
        faults.append(f"{title} is not UTF-8 text: {path}.")
    return ""
