# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver as a process of its own: a plan on standard input, one sync, the end."""

from __future__ import annotations

import json
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / ".collections"))

# The path comes first: the collection is not installed here.
from ansible_collections.ferry.hvm.plugins.module_utils.replication import receiver  # noqa: E402
from ansible_collections.ferry.hvm.plugins.module_utils.replication.plan import (  # noqa: E402
    plan_from_dict,
)

if __name__ == "__main__":
    receiver.run_sync(plan_from_dict(json.load(sys.stdin)))
