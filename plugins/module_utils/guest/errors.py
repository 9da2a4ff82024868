# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""What can go wrong in preparing a guest, by what the operator may do about it."""

from __future__ import annotations

from typing import Sequence

from ..errors import PermanentError, RestartSyncError


class PlanError(PermanentError):
    """This guest cannot be made right as it is. Nothing was changed; every reason is in the message."""

    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__(
            "This guest cannot be prepared: " + " ".join(findings),
            hint="Nothing was changed on the disks.",
        )
        self.findings = tuple(findings)


class PreparationError(PermanentError):
    """A step of the preparation failed, on an overlay: the disks are as they were."""


class StoreError(PermanentError):
    """The store of an overlay is full, torn or not ours. The disks are as they were before it."""


class StaleCommitError(RestartSyncError):
    """A committed preparation cannot be finished. Its disks are half written: a new sync mends them."""
