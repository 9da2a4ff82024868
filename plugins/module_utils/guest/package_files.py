# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Package files for a guest among those that the operator put on the worker."""

from __future__ import annotations

import glob
import os
from typing import Optional, Tuple

from .facts import Distribution
from .families import family_of


def find_packages(directory: Optional[str], distribution: Distribution) -> Tuple[str, ...]:
    """Return the package files in the distribution's own folder, sorted: `debian-12`, `rhel-9`.

    A folder of the very release (`rhel-9.4`) comes before that of the major one.
    """
    if directory is None:
        return ()
    major = distribution.version.split(".")[0]
    suffix = family_of(distribution).suffix
    for version in (distribution.version, major):
        folder = os.path.join(directory, f"{distribution.identity}-{version}")
        found = sorted(glob.glob(os.path.join(glob.escape(folder), f"*{suffix}")))
        if found:
            return tuple(found)
    return ()
