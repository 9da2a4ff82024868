# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ends the benchmark, told in one sentence and with what to do."""

from __future__ import annotations


class BenchError(Exception):
    """The benchmark cannot go on; `hint` says what to do."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(f"{what} {hint}".strip())
