# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the checkout importable under its two names: `ansible_collections.ferry.hvm` and `lab`.

`.collections/` holds a generated link to the checkout (`make setup`), so that tests import plugins by
the very names that Ansible uses, whatever the clone's folder is called.
"""

from __future__ import annotations

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
for place in (CHECKOUT / ".collections", CHECKOUT):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))
