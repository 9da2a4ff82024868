# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""The requests of one connection that wait for their answers. PRIVATE to the collection.

The same bookkeeping at both ends: the target notes what it asks and judges what comes, the source notes
what it is asked and judges what it says. Two rules:

* All unanswered requests together are at most UNANSWERED bytes on the wire.
* Answers come in the order of the requests, each begins where the one before ended, and none goes over
  the border of its request. So one frame may say "the next 40 GiB are zero", and none is forgotten:

    requests   |---- Compare ----|-- Fetch --|      |--- CompareGranules ---|
    answers    |- Same -|-Differ-|--- Zero --|      |-Same-|-Data-|-Data-|-Same-|

Python 3.6.
"""

from collections import deque
from typing import Any, Deque, Dict, NamedTuple, Tuple, Type

from .geometry import ceil_div, is_aligned, split
from .limits import CHUNK, GRANULE, UNANSWERED
from .messages import (
    Answer,
    Compare,
    CompareGranules,
    Data,
    Differ,
    Fetch,
    Recall,
    Recorded,
    Request,
    Same,
    Zero,
    span_of,
)


class _Rule(NamedTuple):
    unit: int  # Answers begin and end on borders of this many bytes; requests cover whole chunks.
    answers: Tuple[Type[Any], ...]


RULES: Dict[Type[Any], _Rule] = {
    Compare: _Rule(CHUNK, (Same, Zero, Differ)),
    CompareGranules: _Rule(GRANULE, (Same, Zero, Data)),
    Fetch: _Rule(GRANULE, (Zero, Data)),
    Recall: _Rule(CHUNK, (Recorded,)),
}


class BrokenRuleError(Exception):
    """A request or answer that is against the rules; `Connection` knows whose fault it is."""


class _Pending(NamedTuple):
    request: Request
    wire_size: int


class UnansweredRequests:
    """The queue of requests of one connection, about a disk of `disk_size` bytes."""

    def __init__(self, disk_size: int) -> None:
        self.disk_size = disk_size
        self.wire_size = 0
        self._queue: Deque[_Pending] = deque()
        self._answered_to = 0

    def __len__(self) -> int:
        return len(self._queue)

    def has_room(self, wire_size: int) -> bool:
        """Tell whether a request of `wire_size` bytes may be asked now."""
        return self.wire_size + wire_size <= UNANSWERED

    def asked(self, request: Request, wire_size: int) -> None:
        """Note a request. Raises BrokenRuleError if it may not be asked."""
        span = span_of(request)
        if not is_aligned(span, CHUNK, self.disk_size):
            raise BrokenRuleError("it does not cover whole chunks")
        _check_digest_count(request, span.length, RULES[type(request)].unit)
        if not self.has_room(wire_size):
            raise BrokenRuleError("more than {} bytes would be unanswered".format(UNANSWERED))
        if not self._queue:
            self._answered_to = span.start
        self._queue.append(_Pending(request, wire_size))
        self.wire_size += wire_size

    def answered(self, answer: Answer) -> Request:
        """Note an answer; return the request that it is about. Raises BrokenRuleError if it is none."""
        if not self._queue:
            raise BrokenRuleError("nothing was asked")
        request, wire_size = self._queue[0]
        rule = RULES[type(request)]
        self._check_answer(answer, request, rule)
        self._answered_to += answer.length
        if self._answered_to == span_of(request).end:
            self._finish(wire_size)
        return request

    def _check_answer(self, answer: Answer, request: Request, rule: _Rule) -> None:
        asked, span = span_of(request), span_of(answer)
        if not isinstance(answer, rule.answers):
            raise BrokenRuleError("it is no answer to {}".format(type(request).__name__))
        if span.start != self._answered_to or span.end > asked.end:
            raise BrokenRuleError(
                "bytes {} to {} are to be answered".format(self._answered_to, asked.end)
            )
        if not is_aligned(span, rule.unit, self.disk_size):
            raise BrokenRuleError("it does not cover whole units of {} bytes".format(rule.unit))
        if isinstance(answer, Data) and len(list(split(span, CHUNK))) > 1:
            raise BrokenRuleError("data lies within one chunk")
        _check_digest_count(answer, span.length, GRANULE if isinstance(answer, Data) else CHUNK)

    def _finish(self, wire_size: int) -> None:
        self._queue.popleft()
        self.wire_size -= wire_size
        if self._queue:
            self._answered_to = self._queue[0].request.start


def _check_digest_count(frame: Any, length: int, unit: int) -> None:
    digests = getattr(frame, "digests", None)
    if digests is not None and len(digests) != ceil_div(length, unit):
        raise BrokenRuleError("{} digests do not fit {} bytes".format(len(digests), length))
