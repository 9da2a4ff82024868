# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The source's end of one connection, from Hello to Goodbye. PRIVATE to the collection. Python 3.6."""

from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Optional, TypeVar

from ..errors import FerryError
from .answers import Answers
from .channel import Channel
from .codecs import AVAILABLE
from .digests import Hasher, choose
from .errors import LocalProtocolError, RemoteProtocolError
from .export import Account, Export
from .lane import TICK, wait_for
from .limits import CHUNK, GRANULE, VERSION
from .messages import (
    REQUESTS,
    DiskInfo,
    EndOfDisk,
    Error,
    Frame,
    Goodbye,
    Hello,
    OpenDisk,
)

T = TypeVar("T")


def refuse(channel: Channel, error: FerryError) -> None:
    """Tell the target why it is served no further, and close."""
    channel.leave(Error(error.kind, error.what, error.hint))


class SourceSession:
    """Serves one channel in the thread that owns it; closes it at the end. The channel's `stop` ends it early."""

    def __init__(self, channel: Channel, export: Export) -> None:
        self._channel = channel
        self._export = export
        self._hello: Optional[Hello] = None
        self._account: Optional[Account] = None
        self._answers: Optional[Answers] = None

    def serve(self) -> None:
        """Answer until the target takes its leave. Raises FerryError after telling the target why."""
        try:
            while self._step():
                self._channel.tend()
            self._channel.leave(Goodbye())
        except FerryError as error:
            refuse(self._channel, error)
            raise
        finally:
            self._close_disk()
            self._channel.close()

    def _step(self) -> bool:
        """Take in what is asked, else answer, else wait; return whether the target is still there."""
        answers = self._answers
        is_busy = answers is not None and answers.has_work
        frame = self._channel.receive(0 if is_busy else TICK)
        if frame is not None:
            return self._take(frame)
        if answers is not None and is_busy:
            answers.step()
        return True

    def _take(self, frame: Frame) -> bool:
        if isinstance(frame, Goodbye):
            return False
        if isinstance(frame, Hello):
            self._greet(frame)
        elif isinstance(frame, OpenDisk):
            self._open(frame)
        elif isinstance(frame, EndOfDisk):
            self._end(frame)
        elif isinstance(frame, REQUESTS) and self._answers:
            self._answers.add(frame)
        return True

    def _greet(self, theirs: Hello) -> None:
        """Choose what both ends can do best."""
        codecs = tuple(codec for codec in theirs.codecs if codec in AVAILABLE)
        try:
            best = choose(self._export.offers_to(theirs.digests), theirs.digests)
        except ValueError:
            raise RemoteProtocolError("The two ends have no digest in common.") from None
        chosen = tuple(offer for offer in self._export.offers if offer.algorithm == best)
        self._hello = Hello(VERSION, CHUNK, GRANULE, self._export.order, chosen, codecs)
        self._channel.send(self._hello)

    def _open(self, request: OpenDisk) -> None:
        if self._hello is None:
            raise LocalProtocolError("A disk was opened before Hello.")
        self._close_disk()
        disk = self._export.open_disk(request.name)
        self._channel.headway = lambda: self._export.headway(request.name) + disk.passed
        hasher = Hasher(self._hello.algorithm)
        try:
            self._account = self._meanwhile(
                lambda: self._export.begin(request.name, request.sync, disk, hasher)
            )
        except FerryError:
            disk.close()
            raise
        self._answers = Answers(
            self._channel, disk, self._account, self._hello.codecs, self._export.governor
        )
        self._channel.send(DiskInfo(disk.size, self._export.view))

    def _end(self, end: EndOfDisk) -> None:
        account = self._account
        if account is None:
            raise LocalProtocolError("A disk ended before it was opened.")
        self._export.check_view()
        self._channel.send(self._meanwhile(lambda: account.root(end.root)))

    def _meanwhile(self, work: Callable[[], T]) -> T:
        """Do what may take long in another thread, and stay alive for the target."""
        with ThreadPoolExecutor(1, "ferry-settle") as executor:
            return wait_for(executor.submit(work), self._channel.tend)

    def _close_disk(self) -> None:
        if self._answers is not None:
            self._answers.close()
        self._answers = self._account = None
