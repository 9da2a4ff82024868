# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's one kind of error: what failed, on what, and what to do about it."""

from __future__ import annotations


class LabError(Exception):
    """The lab could not be brought into the wanted state; the message is meant for its user."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(f"{what}. {hint}" if hint else what)
        self.what = what
        self.hint = hint
