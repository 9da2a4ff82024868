# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A change set: what will be done, and what it changes, as data. PRIVATE to the collection.

Every module that changes an appliance or a vCenter observes, plans (pure) and applies. Check mode
stops after the plan; so what check mode says is what a run does. Bottom layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Generic, Mapping, Tuple, TypeVar

Step = TypeVar("Step")


@dataclass(frozen=True)
class Plan(Generic[Step]):
    """Steps in the order in which they must happen, and the object before and after them all."""

    steps: Tuple[Step, ...]
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def is_change(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.steps)

    def diff(self) -> Dict[str, Mapping[str, Any]]:
        """Return the plan as Ansible shows it with `--diff`."""
        return {"before": self.before, "after": self.after}
