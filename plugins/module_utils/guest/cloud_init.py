# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""cloud-init writes the network's configuration anew on what it takes for a new instance.

A migrated guest is one, to it: without this rule it would undo what was kept.
"""

from __future__ import annotations

import re

from .changes import EditFile
from .facts import GuestFacts
from .rules import Options, Results

SETTINGS_FILE = "/etc/cloud/cloud.cfg"
SETTINGS_FOLDER = "/etc/cloud/cloud.cfg.d"
# The last of the folder by its name wins; the text is that of cloud-init's own documentation
# (Network configuration, "Disabling network configuration").
_OURS = f"{SETTINGS_FOLDER}/99-disable-network-config.cfg"
_TEXT = "network: {config: disabled}\n"
_DISABLED = re.compile(r"^network:\s*\{?\s*config:\s*[\"']?disabled\b", re.MULTILINE)


def network_stays(facts: GuestFacts, options: Options) -> Results:
    """cloud-init leaves the network alone, if interfaces are to be kept."""
    settings = {p: t for p, t in facts.files.items() if p.startswith("/etc/cloud/")}
    if not options.interfaces or SETTINGS_FILE not in settings:
        return
    if not any(_DISABLED.search(text) for text in settings.values()):
        why = "cloud-init would write the network's configuration anew"
        yield EditFile(_OURS, settings.get(_OURS), _TEXT, why)
