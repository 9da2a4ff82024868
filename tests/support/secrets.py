# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where on this machine a secret can be read: what processes show to everybody, and what files hold.

with ProcessWatch(secrets, folders) as watch:
    ... what must not show them ...
assert watch.found == set()
assert files_with(secrets, folders, since=...) == []
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

# Between two looks, so that the watch leaves a processor to what it watches; a process that lives shorter than
# this and a look may be missed once, but Ansible starts its kind again and again.
PAUSE = 0.005
# Larger files are disks.
LARGEST_FILE = 64 << 20


def forms(secret: str) -> list[bytes]:
    """How a secret may be written: as it is, and in base64, by which programs are handed over."""
    plain = secret.encode()
    return [plain, base64.b64encode(plain).rstrip(b"=")]


class ProcessWatch:
    """Until the block ends, looks at every process' arguments and environment, and at the folders' files.

    `found` says where a secret was seen, `seen` which programs there were.
    """

    def __init__(self, secrets: Iterable[str], folders: Sequence[Path]) -> None:
        self.found: set[str] = set()
        self.seen: set[str] = set()
        self._forms = [form for secret in secrets for form in forms(secret)]
        self._folders = folders
        self._has_ended = threading.Event()
        self._rounds = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._watch, name="process-watch", daemon=True)

    def __enter__(self) -> ProcessWatch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._has_ended.set()
        self._thread.join()

    def await_look(self) -> None:
        """All that is there now was looked at. One round may be under way, so two have to end."""
        while self._rounds.acquire(blocking=False):
            pass
        for _round in range(2):
            self._rounds.acquire()

    def _watch(self) -> None:
        while not self._has_ended.wait(PAUSE):
            for process in os.listdir("/proc"):
                if process.isdigit():
                    self._look_at(Path("/proc", process))
            self.found.update(str(each) for each in holders(self._forms, self._folders))
            self._rounds.release()

    def _look_at(self, process: Path) -> None:
        command = read(process / "cmdline")
        self.seen.update(os.path.basename(word) for word in command.decode("latin-1").split("\0"))
        for name, text in (("cmdline", command), ("environ", read(process / "environ"))):
            if any(form in text for form in self._forms):
                self.found.add(f"{name} of {command.decode('latin-1')}")


def files_with(
    secrets: Iterable[str],
    folders: Iterable[Path],
    *,
    since: float,
    without: Collection[Path] = (),
) -> list[Path]:
    """Return the folders' files that hold a secret and changed after `since` (as time.time()), but for some."""
    wanted = [form for secret in secrets for form in forms(secret)]
    found = holders(wanted, folders, since=since)
    return sorted({path for path in found if path not in without})


def holders(wanted: Sequence[bytes], folders: Iterable[Path], since: float = 0.0) -> Iterator[Path]:
    """Yield the regular files below the folders that hold one of the byte strings."""
    for folder in folders:
        for place, _folders, names in os.walk(folder):
            for path in (Path(place, name) for name in names):
                if _is_due(path, since) and any(form in read(path) for form in wanted):
                    yield path


def read(path: Path) -> bytes:
    """Return what the file holds; nothing if it is gone, as processes and their files go at any time."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _is_due(path: Path, since: float) -> bool:
    try:
        facts = path.lstat()
    except OSError:
        return False
    return (
        path.is_file()
        and not path.is_symlink()
        and facts.st_size <= LARGEST_FILE
        and facts.st_ctime >= since
    )
