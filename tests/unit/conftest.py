# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypothesis judges what comes out and never how long it took: the machine has other work."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("ferry", deadline=None)
settings.load_profile("ferry")
