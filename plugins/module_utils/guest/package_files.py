# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Package files for a guest among those that the operator put on the worker."""

from __future__ import annotations

import glob
import os
from typing import Optional, Tuple

from .facts import Distribution


def find_packages(directory: Optional[str], distribution: Distribution) -> Tuple[str, ...]:
    """Return the package files in the distribution's own folder, such as `debian-12`, sorted."""
    if directory is None:
        return ()
    folder = os.path.join(directory, f"{distribution.identity}-{distribution.version}")
    return tuple(sorted(glob.glob(os.path.join(glob.escape(folder), "*.deb"))))
