# SPDX-FileCopyrightText: 2026 The Ferry authors
# SPDX-License-Identifier: BSD-2-Clause
"""When compressing pays. PRIVATE to the collection. Python 3.6.

Whether the link, our processor or the peer is the bottleneck shows in one number: how many plain bytes a
second go through encoding and sending together. It is measured plain and packed, and the faster way is
taken; the other one is tried now and then, the more rarely the more often it lost:

    packed | plain? | plain plain | packed? | plain plain plain plain | packed? | packed packed ...
           won                lost: pause 4                       won

A codec that is quick begins: what a delta has to send is often less than one measurement. A slow one is tried
second.

A trial ends with a few samples where the codec is far slower than plain sending, and when it took as long as
the other way would have for all of it; so trials cost little on links that are faster than any codec. The
samples are timed by the thread's own work: a few microseconds of it may wait milliseconds for their turn.
"""

import time
from typing import Callable, NamedTuple, Tuple

from ..units import KIB, MIB
from .codecs import Encoded, encode, is_quick
from .messages import Codec

# Best first; of those that both ends have the first is taken.
PREFERRED = (Codec.ZSTD, Codec.ZLIB)

# Plain bytes of one measurement: much more than what waits in the buffers of a socket.
WINDOW = 8 * MIB

# Measurements between two trials of the way that lost: after its first win over the other, and at most.
# Where packing won, a plain one takes several times as long as a packed one.
PAUSE_OF_WINNER = 16
LONGEST_PAUSE = 64

# Packed must be faster by this to be taken: it costs both ends work that the other connections, and the server
# itself, are kept from.
ADVANTAGE = 1.1

# A payload that shrinks by less is stored: the other end's work is not worth it.
WORTH = 0.95

# How much a measurement of the way that is taken counts beside those before it. On a machine that is busy with
# other things 8 MiB take several times as long now and then: one such measurement must not turn the choice.
NEWEST = 0.25

# Pieces of a payload that tell whether it shrinks, and about how fast.
SAMPLE = 4 * KIB
SAMPLES = 3

# Small pieces are encoded slower than whole payloads, but not by more than this.
HASTE = 3.0


class _Window(NamedTuple):
    """Plain bytes, the seconds that they took, and those of them that were encoding."""

    length: int = 0
    seconds: float = 0.0
    encoding: float = 0.0


def _rate(length: int, seconds: float) -> float:
    return length / max(seconds, 1e-9)


def _own_work() -> float:
    """Return the seconds that this thread has worked (time.thread_time is of Python 3.7)."""
    return time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID)


class Compressor:
    """Sends the payloads of one connection, plain or packed. One thread's property."""

    def __init__(
        self,
        codecs: Tuple[Codec, ...],
        clock: Callable[[], float] = time.perf_counter,
        work_clock: Callable[[], float] = _own_work,
    ) -> None:
        self._codec = next((codec for codec in PREFERRED if codec in codecs), Codec.STORED)
        self._clock = clock
        self._work_clock = work_clock
        self._is_packing = is_quick(self._codec)
        self._is_trial = False
        # Plain bytes a second, plain and packed, the latter less its handicap; 0 before the first measurement.
        self._rates = {False: 0.0, True: 0.0}
        self._window = _Window()
        self._pause = 1
        self._left = 1

    def send(self, data: memoryview, transmit: Callable[[Encoded], None]) -> None:
        """Have `data` sent by `transmit`, in the way that is the fastest just now."""
        begin = self._clock()
        encoded = self._encode(data)
        encoding = self._clock() - begin
        transmit(encoded)
        can_pack = self._codec is not Codec.STORED
        if can_pack and self._is_packing is (encoded.codec is not Codec.STORED):
            self._note(len(data), encoding, self._clock() - begin)

    def _encode(self, data: memoryview) -> Encoded:
        plain = Encoded(Codec.STORED, data)
        if not self._is_packing or not self._is_promising(data):
            return plain
        packed = encode(self._codec, data)
        return packed if len(packed.payload) < WORTH * len(data) else plain

    def _is_promising(self, data: memoryview) -> bool:
        """Tell from a few samples whether encoding may be worth its time; ends a hopeless trial."""
        if len(data) <= SAMPLES * SAMPLE:
            return True
        begin, step = self._work_clock(), (len(data) - SAMPLE) // (SAMPLES - 1)
        samples = [data[at : at + SAMPLE] for at in range(0, SAMPLES * step, step)]
        packed = sum(len(encode(self._codec, sample).payload) for sample in samples)
        rate = _rate(SAMPLES * SAMPLE, self._work_clock() - begin)
        if self._is_trial and HASTE * rate < self._rates[False]:
            self._lose()
            return False
        return packed < WORTH * SAMPLES * SAMPLE

    def _note(self, length: int, encoding: float, seconds: float) -> None:
        old = self._window
        self._window = new = _Window(
            old.length + length, old.seconds + seconds, old.encoding + encoding
        )
        if new.length >= WINDOW:
            rate = _rate(new.length, new.seconds)
            self._learn(rate / ADVANTAGE if self._is_packing else rate)
            self._judge()
        elif self._is_trial and self._cost(new) * self._rates[not self._is_packing] > WINDOW:
            self._lose()

    def _learn(self, rate: float) -> None:
        """Take in a measurement; what is known of the way that was not taken is too old to count in a trial."""
        old = self._rates[self._is_packing]
        if old and not self._is_trial:
            rate = 1 / (NEWEST / rate + (1 - NEWEST) / old)
        self._rates[self._is_packing] = rate

    def _cost(self, trial: _Window) -> float:
        """Return the seconds that can be put down to the trial, not to what the other way left in the socket."""
        return trial.encoding if self._is_packing else trial.seconds

    def _judge(self) -> None:
        if self._rates[self._is_packing] < self._rates[not self._is_packing]:
            self._lose()
        elif self._is_trial:  # It won: from now on the other way is the one to be tried.
            self._pause = PAUSE_OF_WINNER
            self._go_on(self._is_packing, is_trial=False)
        else:
            self._left -= 1
            self._go_on(self._is_packing ^ (self._left <= 0), is_trial=self._left <= 0)

    def _lose(self) -> None:
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._go_on(not self._is_packing, is_trial=False)

    def _go_on(self, is_packing: bool, *, is_trial: bool) -> None:
        if not is_trial and (self._is_trial or is_packing is not self._is_packing):
            self._left = self._pause
        self._is_packing, self._is_trial, self._window = is_packing, is_trial, _Window()
