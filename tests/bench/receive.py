# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver of one plan in the foreground: `python receive.py PLAN.json`. Run by `ours`.

What the worker's module starts detached, without the module: the same function, in a process of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ansible_collections.ferry.hvm.plugins.module_utils.replication.plan import plan_from_dict
from ansible_collections.ferry.hvm.plugins.module_utils.replication.receiver import receiver_main

if __name__ == "__main__":
    sys.exit(receiver_main(plan_from_dict(json.loads(Path(sys.argv[1]).read_text("utf-8")))))
