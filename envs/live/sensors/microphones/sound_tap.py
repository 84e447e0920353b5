"""`SoundTap`: lets somebody else listen to a microphone that a rig has open, as one channel at one rate.

The microphone's thread pushes, another thread pulls; what is not fetched is forgotten after a while, and counted.
"""

import collections
import threading

import numpy as np
from jaxtyping import Int16

from ...clock import Clock
from .resample import StreamResampler, mix

MAX_WAITING_S = 10.0
"""How much sound waits to be fetched."""


class SoundTap:
    """Sound on its way from a microphone to a listener.

    Args:
        rate_hz: the rate that the listener wants.

    Attributes:
        lost: samples that nobody fetched in time.
    """

    def __init__(self, rate_hz: int = 16000) -> None:
        self.rate_hz = rate_hz
        self.lost = 0
        self._pieces: collections.deque[Int16[np.ndarray, " n"]] = collections.deque()
        self._waiting = 0
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._resampler: StreamResampler | None = None

    def begin(self, from_hz: int) -> None:
        """A microphone was opened, at this rate."""
        self._resampler = StreamResampler(1, from_hz, self.rate_hz)

    def push(self, sound: Int16[np.ndarray, "c n"]) -> None:
        """Takes the microphone's next samples, int16 (c, n) at the rate of `begin`."""
        if self._resampler is None:
            return
        piece = self._resampler.push(mix(sound, 1))[0]
        with self._lock:
            self._pieces.append(piece)
            self._waiting += len(piece)
            while self._waiting > MAX_WAITING_S * self.rate_hz:
                oldest = self._pieces.popleft()
                self._waiting -= len(oldest)
                self.lost += len(oldest)
        self._arrived.set()

    def pull(self, clock: Clock, timeout_s: float) -> Int16[np.ndarray, " n"]:
        """Everything that has come since the last call; waits for something, but no longer than the time-out."""
        self._arrived.clear()
        if not self._waiting:
            clock.wait(self._arrived, timeout_s)
        with self._lock:
            pieces = [np.zeros(0, np.int16), *self._pieces]
            self._pieces.clear()
            self._waiting = 0
        return np.concatenate(pieces)
