# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Which reader a snapshot's disk gets, and why. PRIVATE. Pure; part of the source worker's sender.

    reader      covers                                         a delta reads
    vddk        every disk that a snapshot holds               what changed
    datastore   a flat file without parent, on VMFS or NFS     what changed
    export      every disk that a snapshot holds               everything: one forward stream

`auto` takes the first of them that can be right. A word that cannot be right is refused with the reason,
never replaced.
"""

from __future__ import annotations

from typing import List, Mapping, NamedTuple, Tuple

from ..errors import InputError

AUTO = "auto"
VDDK = "vddk"
DATASTORE = "datastore"
EXPORT = "export"

# Best first.
READERS: Tuple[str, ...] = (VDDK, DATASTORE, EXPORT)

_EXPORT_READS_ALL = "an export is one forward stream, so this delta compares the whole disk"


class ReaderFacts(NamedTuple):
    """What is known of one disk: why each reader cannot be right for it, "" where it can.

    `vddk` is nbdkit.vddk_obstacle's word; `datastore` is flat_files.flat_obstacle's, or
    datastore_disk.refusal_of's; `is_delta` whether the target holds an earlier sync.
    """

    vddk: str
    datastore: str
    is_delta: bool
    export: str = ""

    @property
    def obstacles(self) -> Mapping[str, str]:
        """The obstacles by the readers' words."""
        return {VDDK: self.vddk, DATASTORE: self.datastore, EXPORT: self.export}


class Choice(NamedTuple):
    """A reader, and why it is this one, for the claim."""

    reader: str
    why: str


def choose_reader(word: str, facts: ReaderFacts) -> Choice:
    """Return the reader for one disk; `word` is one of READERS or AUTO. Raises InputError.

    Nothing is opened here. A reader that is chosen may still refuse the disk when it is opened.
    """
    if word != AUTO and word not in READERS:
        raise InputError(f'There is no reader "{word}".', hint=f"Use {AUTO}, {', '.join(READERS)}.")
    if word == AUTO:
        return _best(facts)
    if facts.obstacles[word]:
        raise InputError(
            f"The reader {word} cannot be used: {facts.obstacles[word]}.",
            hint=f"{AUTO} takes the best reader that can.",
        )
    return Choice(word, _with_note(word, "it was asked for", facts))


def _best(facts: ReaderFacts) -> Choice:
    passed: List[str] = []
    for reader in READERS:
        obstacle = facts.obstacles[reader]
        if not obstacle:
            why = "; ".join(passed) or "it covers every disk"
            return Choice(reader, _with_note(reader, why, facts))
        passed.append(f"not {reader}: {obstacle}")
    raise InputError(
        f"No reader can read this disk: {'; '.join(passed)}.",
        hint="The reader vddk covers most cases: install nbdkit's plugin and VMware's library.",
    )


def _with_note(reader: str, why: str, facts: ReaderFacts) -> str:
    return f"{why}; {_EXPORT_READS_ALL}" if reader == EXPORT and facts.is_delta else why
