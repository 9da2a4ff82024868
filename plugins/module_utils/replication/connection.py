# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""One end of a connection, without any input or output: bytes in, frames out. PRIVATE to the collection.

The same class serves both roles. All frames, those we say and those we hear, pass `_judge`: first the
table of states, then the rules of requests and answers say yes, then there are bytes or a frame.

The payload of a `Data` frame can be a mebibyte and is never copied here as long as the driver reads no
further than `bytes_wanted`: the frame is returned first, then the driver puts the payload straight into
a buffer of its own and says so (`payload_passed`). What it had read too far it gets by `take_payload`.

    receive_data -> next_frame -> ... -> Data -> take_payload / payload_passed -> next_frame -> ...

After the first error the connection is of no more use. Python 3.6.
"""

from typing import Any, Optional, Union

from . import wire
from .errors import LocalProtocolError, RemoteProtocolError
from .limits import CHUNK, DISK_SIZE, GRANULE, RECEIVE_BUFFER, VERSION
from .messages import ANSWERS, REQUESTS, Data, DiskInfo, Frame, Hello, Request
from .requests import BrokenRuleError, UnansweredRequests
from .state import NOTHING_UNANSWERED, Role, State, next_state


class Connection:
    """The protocol's state at one end; one thread's property."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.state = State.START
        self.unanswered = UnansweredRequests(0)
        self.payload_left = 0
        self.agreed: Optional[Hello] = None
        self._offered: Optional[Hello] = None
        self._buffer = bytearray()

    @property
    def peer(self) -> Role:
        """The other end's role."""
        return Role.SOURCE if self.role is Role.TARGET else Role.TARGET

    def send(self, frame: Frame) -> bytes:
        """Return the bytes to send. After a `Data` frame its payload follows, sent by the caller.

        Raises LocalProtocolError where the protocol forbids the frame: a bug of the caller.
        """
        data = wire.pack(frame)
        try:
            self._judge(self.role, frame, len(data))
        except BrokenRuleError as broken:
            raise LocalProtocolError(
                "{} must not be sent: {}.".format(_show(frame), broken)
            ) from None
        return data

    def may_ask(self, request: Request) -> bool:
        """Tell whether the bound on unanswered requests has room for this one."""
        return self.unanswered.has_room(len(wire.pack(request)))

    def receive_data(self, data: Union[bytes, memoryview]) -> None:
        """Take in what came; in pieces of any size, at most `receive_room` bytes."""
        if len(data) > self.receive_room:
            raise LocalProtocolError("More was read from the peer than may be buffered.")
        self._buffer += data

    @property
    def receive_room(self) -> int:
        """How many bytes more may be taken in before `next_frame` must be asked."""
        return RECEIVE_BUFFER - len(self._buffer)

    @property
    def bytes_wanted(self) -> int:
        """How many bytes are missing until the next frame can be complete; 0 if it may be already.

        Reading no more than this leaves payloads to the driver's own buffers.
        """
        missing = wire.HEADER.size - len(self._buffer)
        if missing > 0:
            return missing
        _unused, length = wire.unpack_header(self._buffer[: wire.HEADER.size])
        return max(0, wire.HEADER.size + length - len(self._buffer))

    def next_frame(self) -> Optional[Frame]:
        """Return the next frame, or None when more bytes are needed.

        Raises RemoteProtocolError or VersionError where the peer breaks the protocol, and
        LocalProtocolError while a payload was not taken yet.
        """
        if self.payload_left:
            raise LocalProtocolError("The payload of the last frame was not taken.")
        if self.bytes_wanted:
            return None
        head = wire.HEADER.size
        layout, length = wire.unpack_header(self._buffer[:head])
        frame = wire.unpack_body(layout, bytes(self._buffer[head : head + length]))
        del self._buffer[: head + length]
        try:
            self._judge(self.peer, frame, head + length)
        except BrokenRuleError as broken:
            raise RemoteProtocolError(
                "The {} sent {} wrongly: {}.".format(self.peer.value, _show(frame), broken)
            ) from None
        if isinstance(frame, Data):
            self.payload_left = frame.payload_length
        return frame

    def take_payload(self, view: memoryview) -> int:
        """Move what is buffered of the payload to the head of `view`; return how many bytes."""
        count = min(self.payload_left, len(self._buffer), len(view))
        view[:count] = self._buffer[:count]
        del self._buffer[:count]
        self.payload_left -= count
        return count

    def payload_passed(self, count: int) -> None:
        """Note that the driver itself read `count` bytes of the payload."""
        if self._buffer or count > self.payload_left:
            raise LocalProtocolError("The driver read a payload past the connection's buffer.")
        self.payload_left -= count

    def _judge(self, speaker: Role, frame: Frame, wire_size: int) -> None:
        """All frames of both directions go through here, and change the state here only."""
        try:
            state = next_state(self.state, speaker, frame)
        except KeyError:
            raise BrokenRuleError("not after {}".format(self.state.value)) from None
        if isinstance(frame, REQUESTS):
            self.unanswered.asked(frame, wire_size)
        elif isinstance(frame, ANSWERS):
            self._judge_answer(frame)
        elif isinstance(frame, Hello):
            self._greet(speaker, frame)
        elif isinstance(frame, DiskInfo):
            self._open(frame)
        elif isinstance(frame, NOTHING_UNANSWERED) and self.unanswered:
            raise BrokenRuleError("{} requests are unanswered".format(len(self.unanswered)))
        self.state = state

    def _judge_answer(self, answer: Any) -> None:
        if isinstance(answer, Data) and self.agreed and answer.codec not in self.agreed.codecs:
            raise BrokenRuleError("codec {} was not agreed".format(answer.codec.name))
        self.unanswered.answered(answer)

    def _greet(self, speaker: Role, hello: Hello) -> None:
        if (hello.version, hello.chunk, hello.granule) != (VERSION, CHUNK, GRANULE):
            raise BrokenRuleError("chunks of {} bytes are not ours".format(hello.chunk))
        if speaker is Role.TARGET:
            self._offered = hello
        else:
            self._check_choice(hello)
            self.agreed = hello

    def _check_choice(self, choice: Hello) -> None:
        offered = self._offered
        if offered is None or len(choice.digests) != 1:
            raise BrokenRuleError("it must choose one digest")
        if choice.algorithm not in [offer.algorithm for offer in offered.digests]:
            raise BrokenRuleError("{} was not offered".format(choice.algorithm.name))
        if not set(choice.codecs) <= set(offered.codecs):
            raise BrokenRuleError("it names a codec that was not offered")

    def _open(self, info: DiskInfo) -> None:
        if not 0 < info.size <= DISK_SIZE:
            raise BrokenRuleError("a disk of {} bytes cannot be".format(info.size))
        self.unanswered = UnansweredRequests(info.size)


def _show(frame: Frame) -> str:
    """Return the frame for an error: its name and place, never its content."""
    name = type(frame).__name__
    if isinstance(frame, REQUESTS + ANSWERS):
        return "{} at {}+{}".format(name, frame.start, frame.length)
    return name
