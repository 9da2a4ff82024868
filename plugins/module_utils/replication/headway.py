# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""How far a source is with what it reads before it can answer. PRIVATE to the collection. Python 3.6.

An index that proves itself, or the sample of a large disk, may take longer than a target waits for a disk that
hangs. So what was read is counted, and `Alive` tells the number: it stands still where a read hangs.
"""

import threading
from typing import Optional

from .errors import StoppedError


class Headway:
    """What was read of one disk, or of its index, without an answer to tell it. Threads share it."""

    def __init__(self, stop: Optional[threading.Event] = None) -> None:
        """Once `stop` is set the next step is the last."""
        self.bytes = 0
        self._stop = stop or threading.Event()
        self._lock = threading.Lock()

    def step(self, count: int) -> None:
        """Count bytes that were read. Raises StoppedError if nobody needs more of them."""
        if self._stop.is_set():
            raise StoppedError("The source was stopped.")
        with self._lock:
            self.bytes += count
