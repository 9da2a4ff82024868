# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The border: JSON of the appliance becomes values of known type here. PRIVATE to the collection.

The appliance's fields are often null, and some are numbers here and strings there (unitNumber,
datastoreId). Every resource file reads its objects with these functions and hands out frozen
dataclasses; no dictionary of the appliance goes further.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple

from .errors import UnexpectedAnswerError

Json = Mapping[str, Any]


def need_id(thing: Json, kind: str) -> int:
    """Return the object's id. Raises `UnexpectedAnswerError`: without one it is no object."""
    number = maybe_int(thing.get("id"))
    if number is None:
        raise UnexpectedAnswerError(
            f"The appliance described a {kind} without an id ({sorted(thing)}).",
            hint="Check that the url is that of a Morpheus appliance.",
        )
    return number


def maybe_int(value: Any) -> Optional[int]:
    """Return a number given as number or digits; None for null, empty and anything else."""
    if isinstance(value, bool):
        return None
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def text(value: Any) -> str:
    """Return a string, "" for null."""
    return "" if value is None else str(value)


def child(thing: Json, key: str) -> Json:
    """Return the object under `key`, an empty one for null or anything that is no object."""
    value = thing.get(key)
    return value if isinstance(value, dict) else {}


def children(thing: Json, key: str) -> List[Json]:
    """Return the objects of the list under `key`, [] for null."""
    return [each for each in thing.get(key) or () if isinstance(each, dict)]


def need_child(thing: Json, key: str) -> Json:
    """Return the object under `key`. Raises `UnexpectedAnswerError` when it is missing."""
    value = thing.get(key)
    if not isinstance(value, dict):
        raise UnexpectedAnswerError(
            f'The appliance answered without "{key}" (it sent {sorted(thing)}).',
            hint="Check that the url is that of a Morpheus appliance.",
        )
    return value


def tags_of(thing: Json) -> Dict[str, str]:
    """Return tags ([{name, value}]) as a mapping; a tag without value has ""."""
    return {text(each.get("name")): text(each.get("value")) for each in children(thing, "tags")}


def labels_of(thing: Json) -> Tuple[str, ...]:
    """Return the labels, sorted."""
    return tuple(sorted(text(each) for each in thing.get("labels") or ()))


def tag_list(tags: Mapping[str, str]) -> List[Dict[str, str]]:
    """Return tags in the shape that the API takes."""
    return [{"name": name, "value": value} for name, value in sorted(tags.items())]
