"""Where a microphone's sound comes from: `Feed` is the contract, `FileFeed` plays a file's sound at its own rate.

A feed gives blocks of samples as the device has them; `microphone.py` makes of them what the Spec promises.

c channels, n samples
"""

import dataclasses
import os
from typing import Any

import numpy as np
from jaxtyping import Int16

from ....perception.errors import ConfigError
from ..clock import NS_PER_S, Clock
from ..source import SourceEndedError
from .files import require_file
from .resample import load_av

BLOCK_S = 0.01
"""How much sound a block has, about."""

MAX_WAIT_S = 0.1
"""No read waits longer."""

MAX_LAG_NS = NS_PER_S
"""A file that is this late (the computer slept) goes on where it was, instead of giving everything at once."""


@dataclasses.dataclass(frozen=True, eq=False)
class Block:
    """Some samples, one after the other.

    Attributes:
        samples: int16 (c, n).
        end: how many samples the device has taken to the end of this block, with those that were lost.
        reported_ns: when the last sample was heard, as far as is known from this block alone.
        has_unknown_loss: the device says that it lost samples before this block, but not how many.
    """

    samples: Int16[np.ndarray, "c n"]
    end: int
    reported_ns: int
    has_unknown_loss: bool = False


class Feed:
    """One device or file that gives sound.

    Attributes:
        rate_hz: its own rate, known once it is open.
        channels: how many it has, known once it is open.
        is_live: it is a device, so that silence and drift are worth telling.
    """

    rate_hz: int
    channels: int
    is_live = False

    def open(self, clock: Clock) -> None:
        """Opens it, see `Source.open`."""
        raise NotImplementedError

    def read(self, timeout_s: float = MAX_WAIT_S) -> Block | None:
        """The next block; None if none comes within the time-out. See `Source.read` for what it raises."""
        raise NotImplementedError

    def close(self) -> None:
        """Gives the device back; bears to be called after an `open` that failed."""


class FileFeed(Feed):
    """The sound of a file, of anything that FFmpeg reads, played at its own rate by the clock.

    Args:
        path: the file.
        loop: it begins again at its end.
    """

    def __init__(self, path: str, *, loop: bool = False) -> None:
        self.path = path
        self.loop = loop
        self._container: Any = None
        self._given = 0
        self._pieces: list[Int16[np.ndarray, "c n"]] = []
        self._ready = 0

    def open(self, clock: Clock) -> None:
        self._clock = clock
        self._av = load_av()
        require_file("microphone", self.path)
        self._rewind()
        self._start_ns = clock.now_ns()

    def read(self, timeout_s: float = MAX_WAIT_S) -> Block | None:
        now_ns = self._clock.now_ns()
        wanted_ns = self._time_ns(self._given + max(1, round(BLOCK_S * self.rate_hz)))
        if wanted_ns > now_ns:
            self._clock.sleep_until_ns(min(wanted_ns, now_ns + round(timeout_s * NS_PER_S)))
            now_ns = self._clock.now_ns()
            if wanted_ns > now_ns:
                return None
        if now_ns - wanted_ns > MAX_LAG_NS:
            self._start_ns += now_ns - wanted_ns
        count = (now_ns - self._start_ns) * self.rate_hz // NS_PER_S - self._given
        while self._ready < count and self._decode():
            pass
        if self._ready == 0:
            raise SourceEndedError(f'"{self.path}" has ended after {self._given / self.rate_hz:.1f} s of sound.')
        samples = self._take(min(count, self._ready))
        self._given += samples.shape[1]
        return Block(samples, self._given, self._time_ns(self._given))

    def close(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def _time_ns(self, samples: int) -> int:
        return self._start_ns + samples * NS_PER_S // self.rate_hz

    def _rewind(self) -> None:
        self.close()
        try:
            self._container = self._av.open(os.path.abspath(self.path))
            streams = self._container.streams.audio
            if not streams:
                raise ConfigError(f'The microphone\'s file "{self.path}" has no sound; name another one.')
            self.rate_hz, self.channels = streams[0].rate, streams[0].channels
            self._frames = self._container.decode(streams[0])
            self._to_int16 = self._av.AudioResampler(format="s16p", layout=streams[0].layout, rate=self.rate_hz)
        except self._av.FFmpegError as error:
            raise ConfigError(
                f'The microphone\'s file "{self.path}" cannot be played ({error.strerror}); name another one.'
            ) from None

    def _decode(self, may_rewind: bool = True) -> bool:
        """Decodes a little more; False at the end of a file that is not looped, or that is damaged from here on."""
        try:
            frame = next(self._frames, None)
        except self._av.FFmpegError:
            frame = None
        if frame is None:
            if not (self.loop and may_rewind):
                return False
            self._rewind()
            return self._decode(may_rewind=False)
        for piece in self._to_int16.resample(frame):
            self._pieces.append(piece.to_ndarray())
            self._ready += piece.samples
        return True

    def _take(self, count: int) -> Int16[np.ndarray, "c n"]:
        everything = np.concatenate(self._pieces, axis=1)
        self._pieces = [everything[:, count:]]
        self._ready -= count
        return everything[:, :count]
