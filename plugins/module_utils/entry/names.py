# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The names of migrations and runs, checked where they come in. PRIVATE to the collection."""

from __future__ import annotations

import re

from ..errors import InputError

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def check_slug(option: str, value: str) -> None:
    """Return if `value` may become a folder's name, a DNS label and a word of a shell command.

    Raises InputError that names `option`.
    """
    if not _SLUG.fullmatch(value):
        raise InputError(
            f"{option} is {value!r}.",
            hint="Use 1 to 63 lower case letters, digits and hyphens, no hyphen at either end.",
        )
