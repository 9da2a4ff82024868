# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""Jobs done one after the other in a thread of their own. PRIVATE to the collection. Python 3.6.

What a job raises ends the lane and is raised where results are asked for, so that no thread dies in
silence. A job costs two C queues and no lock of Python's: at a thousand chunks a second the executors of
concurrent.futures took as much time as reading did.
"""

import queue
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from functools import partial
from typing import Any, Callable, Generic, TypeVar

T = TypeVar("T")

# How long a wait lasts before the connection's signs of life are looked after.
TICK = 1.0

# Python 3.6 has only the slower one.
_Queue: Any = getattr(queue, "SimpleQueue", queue.Queue)


class Lane(Generic[T]):
    """A thread's jobs, and their results in the order of the jobs. One owner thread.

    `len` tells how many results were not taken yet.
    """

    def __init__(self, name: str, done: Callable[[], None]) -> None:
        """`done` is called in the lane's thread after each job, and when it ends."""
        self._jobs: Any = _Queue()
        self._results: Any = _Queue()
        self._done = done
        self._count = 0
        self._is_dropped = False
        self._executor = ThreadPoolExecutor(1, name)
        self._running = self._executor.submit(self._run)

    def __len__(self) -> int:
        return self._count

    def add(self, work: Callable[..., T], *arguments: Any) -> None:
        """Have `work` done after what was added before."""
        self._count += 1
        self._jobs.put(partial(work, *arguments))

    @property
    def is_ready(self) -> bool:
        """Whether `take` would return, or raise, at once."""
        return not self._results.empty()

    def take(self, tend: Callable[[], Any]) -> T:
        """Return the oldest result, waiting for it, or raise what ended the lane.

        `tend` is called every second of the wait.
        """
        while True:
            try:
                results = self._results.get(True, TICK)
            except queue.Empty:
                tend()
                continue
            if not results:
                self._results.put(results)  # The next one who asks is to hear it too.
                self._running.result()
            self._count -= 1
            result: T = results[0]
            return result

    def close(self) -> None:
        """Drop the jobs that were not begun, and wait until the thread has ended."""
        self._is_dropped = True
        self._jobs.put(None)
        self._executor.shutdown()

    def _run(self) -> None:
        try:
            while True:
                job = self._jobs.get()
                if job is None or self._is_dropped:
                    return
                self._results.put((job(),))
                self._done()
        finally:
            self._results.put(())
            self._done()


def wait_for(future: "Future[T]", tend: Callable[[], Any]) -> T:
    """Return the future's result, or raise its error; `tend` is called every second of the wait."""
    while True:
        try:
            return future.result(TICK)
        except StillRunning:
            if future.done():
                raise
            tend()
