# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Modules that make an end faster where they are installed. PRIVATE to the collection. Python 3.6.

None is needed: the standard library alone can sync with every peer.
"""

import importlib
from typing import Any


def accelerator(name: str) -> Any:
    """Return the module, or None where this end does not have it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
