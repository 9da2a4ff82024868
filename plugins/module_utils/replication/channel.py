# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""A connection on a socket: frames and payloads in and out, signs of life, no dead wait.

PRIVATE to the collection. The only file that sends and receives. One thread owns a channel; an SSL
object must never be in a send and a receive of two threads at once. The thread waits with `poll`:

* while a send is blocked it takes in what the peer asks, as far as the receive buffer has room. All
  that a peer may ask unanswered fits, so a peer that is itself blocked in a send gets free, however
  small the buffers of the sockets are;
* after ALIVE_INTERVAL of silence it says `Alive`, after LOST_AFTER of hearing nothing it gives up.

Python 3.6.
"""

import contextlib
import os
import select
import socket
import ssl
import struct
import threading
import time
from typing import Callable, List, Optional, Union, cast

from ..errors import FerryError, from_dict
from .connection import Connection
from .errors import ConnectionLostError, LocalProtocolError, StoppedError
from .limits import ALIVE_INTERVAL, LOST_AFTER, RECEIVE_BUFFER
from .messages import Alive, Data, Error, Frame, Goodbye
from .state import State
from .tls import refused

# tcpi_rtt of struct tcp_info (linux/tcp.h), the sixteenth number behind eight bytes.
_TCP_INFO = struct.Struct("=68xI")

# How long a wait lasts before signs of life and a wish to stop are looked at.
TICK = 1.0


def _nothing() -> None:
    """Nobody asks."""


def _no_headway() -> int:
    return 0


class Channel:
    """One end of a secured connection. `stop` ends every wait of its owner with StoppedError.

    `headway` returns what `Alive` is to tell of our disk; `peer_moved` is called when the peer's told of another
    number than before.
    """

    def __init__(
        self, secured: ssl.SSLSocket, connection: Connection, run: str, stop: threading.Event
    ) -> None:
        self.connection = connection
        self.stop = stop
        self.headway: Callable[[], int] = _no_headway
        self.peer_moved: Callable[[], None] = _nothing
        self.bytes_sent = 0
        self.bytes_received = 0
        self._socket = secured
        self._run = run
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        self._waker_lock = threading.Lock()
        self._is_open = True
        self._is_waiting = self._was_woken = False
        self._is_inside_frame = False
        self._socket_only = select.poll()
        self._socket_or_wake = select.poll()
        self._socket_or_wake.register(self._woken, select.POLLIN)
        self._scratch = memoryview(bytearray(RECEIVE_BUFFER))
        self._spoke = self._heard = time.monotonic()
        self._peer_headway = 0

    def round_trip(self) -> float:
        """Return how long a byte takes to the peer and back, in seconds; 0 where that is not known."""
        try:
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        except OSError:  # No TCP.
            return 0.0
        (microseconds,) = _TCP_INFO.unpack(info)
        return float(microseconds) / 1e6

    def wake(self) -> None:
        """End the owner's wait in `receive`, or its next one; any thread may call this, at any time.

        The owner first says that it waits and then looks whether it was woken, we the other way round: so
        one of us sees the other, and the pipe is needed only while it waits.
        """
        self._was_woken = True
        if not self._is_waiting:
            return
        with self._waker_lock:  # A closed descriptor's number may by now be that of a disk.
            if self._is_open:
                with contextlib.suppress(BlockingIOError):  # The pipe is full of earlier calls.
                    os.write(self._waker, b"!")

    def send(self, frame: Frame, payload: Union[bytes, memoryview] = b"") -> None:
        """Send the frame and the payload that belongs to it. Raises ConnectionLostError."""
        if len(payload) != (frame.payload_length if isinstance(frame, Data) else 0):
            raise LocalProtocolError("The payload does not have the length that its frame tells.")
        head = self.connection.send(frame)
        self._is_inside_frame = True
        self._send_all(head)
        self._send_all(payload)
        self._is_inside_frame = False

    def receive(self, wait: float) -> Optional[Frame]:
        """Return the next frame, or None if none came within `wait` seconds or until `wake`.

        `Alive` is kept here. An `Error` of the peer is raised as what it is. The payload of a `Data`
        frame must be fetched by `read_payload` before the next frame.
        """
        deadline = time.monotonic() + wait
        while True:
            frame = self.connection.next_frame()
            if isinstance(frame, Error):
                raise _peer_error(frame, self.connection.peer.value)
            if isinstance(frame, Alive):
                self._note_headway(frame)
            elif frame is not None:
                return frame
            elif not self._read(self._scratch[: self.connection.bytes_wanted]):
                left = deadline - time.monotonic()
                if left <= 0 or self._await_wake(min(left, TICK)):
                    return None

    def read_payload(self, view: memoryview) -> None:
        """Fill `view`, which is as long as the payload, without a copy in between."""
        begin = done = self.connection.take_payload(view)
        while done < len(view):
            count = self._fill(view[done:])
            done += count
            if not count:
                self._check_silence()
                self.tend()
        self.connection.payload_passed(done - begin)
        self.tend()

    def tend(self) -> None:
        """Say `Alive` if it is time; the owner calls it while it is busy with something else.

        Raises StoppedError if the owner is to end.
        """
        self._check_stop()
        if time.monotonic() - self._spoke >= ALIVE_INTERVAL and self.connection.state not in (
            State.START,
            State.CLOSED,
        ):
            self.send(Alive(self.headway()))

    def rest(self, seconds: float) -> None:
        """Do nothing for so long, but to say `Alive`. Raises StoppedError if the owner is to end."""
        self.stop.wait(seconds)
        self.tend()

    def leave(self, farewell: Union[Goodbye, Error]) -> None:
        """Say the last frame if the peer still takes it, and close."""
        can_speak = self.connection.state is not State.CLOSED and not self._is_inside_frame
        try:
            if can_speak:
                self.send(farewell)
        except (ConnectionLostError, StoppedError):
            pass  # The peer is gone, or does not listen: it gets no farewell.
        finally:
            self.close()

    def close(self) -> None:
        """Close the socket; may be called again."""
        with self._waker_lock:
            if self._is_open:
                self._is_open = False
                self._socket.close()
                os.close(self._woken)
                os.close(self._waker)

    def _note_headway(self, alive: Alive) -> None:
        if alive.headway != self._peer_headway:
            self._peer_headway = alive.headway
            self.peer_moved()

    def _read(self, view: memoryview) -> bool:
        count = self._read_into(view)
        self.connection.receive_data(view[:count])
        return count > 0

    def _fill(self, view: memoryview) -> int:
        """Return how many bytes came until `view` was full, or nothing more came for a TICK.

        Python's ssl itself waits here for the records of 16 KiB: our own wait for each of them, an exception
        and a poll, took longer than deciphering it.
        """
        done = 0
        self._socket.settimeout(TICK)
        try:
            while done < len(view):
                count = self._read_into(view[done:])
                if not count:
                    break
                done += count
        finally:
            self._socket.settimeout(0)
        return done

    def _read_into(self, view: memoryview) -> int:
        """Return how many bytes came, at once or in the socket's time, 0 if none are there yet."""
        try:
            count = cast(int, self._socket.read(len(view), view))  # Into a buffer: so many.
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError as error:
            # A time-out with a number is the kernel's own: nothing of ours was acknowledged.
            if isinstance(error, socket.timeout) and error.errno is None:
                return 0
            raise self._lost(error) from error
        if count == 0:
            raise ConnectionLostError("The peer closed the connection without a word.")
        self._heard = time.monotonic()
        self.bytes_received += count
        return count

    def _send_all(self, data: Union[bytes, memoryview]) -> None:
        rest = memoryview(data)
        while rest:
            try:
                count = self._socket.send(rest)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self._wait_to_send()
            except OSError as error:
                raise self._lost(error) from error
            else:
                rest = rest[count:]
                self.bytes_sent += count
                self._spoke = time.monotonic()

    def _wait_to_send(self) -> None:
        room = 0 if self.connection.payload_left else self.connection.receive_room
        if room and self._read(self._scratch[:room]):
            return
        events = select.POLLOUT | (select.POLLIN if room else 0)
        self._await(self._socket_only, events, TICK)

    def _await_wake(self, wait: float) -> bool:
        """Wait for something to receive or for `wake`; return whether it was `wake`."""
        self._is_waiting = True
        try:
            has_byte = not self._was_woken and self._woken in self._await(
                self._socket_or_wake, select.POLLIN, wait
            )
            if has_byte:
                os.read(self._woken, 4096)
            is_woken = has_byte or self._was_woken
            self._was_woken = False  # Said between these two lines it is lost, but not its byte.
            return is_woken
        finally:
            self._is_waiting = False

    def _await(self, poll: "select.poll", events: int, wait: float) -> List[int]:
        """Wait; return the descriptors that are ready. Looks after signs of life."""
        poll.register(self._socket.fileno(), events)
        ready = [descriptor for descriptor, _unused in poll.poll(max(1, int(wait * 1000)))]
        if not ready:
            self._check_silence()
            self._check_stop()
            if not events & select.POLLOUT:  # Else a frame is half sent: nothing may come between.
                self.tend()
        return ready

    def _check_stop(self) -> None:
        if self.stop.is_set():
            raise StoppedError("The {} was stopped.".format(self.connection.role.value))

    def _check_silence(self) -> None:
        silence = time.monotonic() - self._heard
        if silence > LOST_AFTER:
            raise ConnectionLostError(
                "Nothing was heard from the peer for {:.0f} s.".format(silence)
            )

    def _lost(self, error: OSError) -> FerryError:
        """Return what broke the connection.

        A peer that refuses our certificate says so after our own handshake ended (TLS 1.3), perhaps
        while we were sending: then the alert waits to be read behind the error of the send. Once both
        ends have greeted, an alert is only an accident of this connection.
        """
        alert = _alert_of(error)
        try:
            self._socket.recv_into(self._scratch[:1])
        except OSError as waiting:
            alert = alert or _alert_of(waiting)
        if alert and self.connection.agreed is None:
            return refused(self._run, alert)
        return ConnectionLostError("The connection broke: {}.".format(error))


def _alert_of(error: OSError) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else ""
    return reason if reason and "ALERT" in reason else ""


def _peer_error(error: Error, peer: str) -> FerryError:
    what = "The {} says: {}".format(peer, error.what)
    return from_dict({"kind": error.kind, "what": what, "hint": error.hint})


def dial(address: str, port: int, timeout: float) -> socket.socket:
    """Return a connected TCP socket. Raises ConnectionLostError with what to look at."""
    try:
        connected = socket.create_connection((address, port), timeout)
    except OSError as error:
        raise ConnectionLostError(
            "Cannot reach the source at {} port {}/TCP: {}.".format(address, port, error),
            hint="The sender must be running there, and no firewall may stand in between.",
        ) from error
    prompt(connected)
    return connected


def prompt(connected: socket.socket) -> None:
    """Send small frames at once: a request that waits for company costs a round trip."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
