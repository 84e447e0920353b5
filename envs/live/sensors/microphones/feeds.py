"""Where a microphone's sound comes from: `Feed` is the contract, `FileFeed` plays a file's sound at its own rate.

A feed gives blocks of samples as the device has them; `microphone.py` makes of them what the Spec promises.

c channels, n samples
"""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Int16

from ...clock import NS_PER_S, Clock
from ...source import SourceEndedError
from ..decoding.playback import Piece, Playback

BLOCK_S = 0.01
"""How much sound a block has, about."""

MAX_WAIT_S = 0.1
"""No read waits longer."""

TOLERANCE_S = 0.01
"""Sound that is so little off its place follows the sound before it without a gap."""


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
        notes: sentences about what was opened that a person should know, without a full stop.
    """

    rate_hz: int
    channels: int
    is_live = False
    notes: tuple[str, ...] = ()

    def open(self, clock: Clock) -> None:
        """Opens it, see `Source.open`."""
        raise NotImplementedError

    def read(self, timeout_s: float = MAX_WAIT_S) -> Block | None:
        """The next block; None if none comes within the time-out. See `Source.read` for what it raises."""
        raise NotImplementedError

    def kill(self) -> bool:
        """Makes a call that does not come back come back, if that can be; see `Source.kill`."""
        return False

    def close(self) -> None:
        """Gives the device back; bears to be called after an `open` that failed."""


class FileFeed(Feed):
    """The sound of a file, of anything that FFmpeg reads, played at its own rate by the clock.

    What plays the picture of the same file shares its time: see `decoding/timeline.py`. Where the file has no sound
    (before its sound begins, or after it has ended and the picture goes on), it is silent.

    Args:
        path: the file.
        loop: it begins again at its end.
        channels: how many are wanted: for one or two, more are mixed down.
    """

    def __init__(self, path: str, *, loop: bool = False, channels: int = 2) -> None:
        self.path = path
        self._playback = Playback("microphone", path, {"mode": "sound", "channels": channels}, loop=loop)
        self._begin = self._given = self._filled = 0
        self._pieces: list[Int16[np.ndarray, "c n"]] = []
        self._pending: Piece | None = None

    def open(self, clock: Clock) -> None:
        self._clock = clock
        begin_ns = self._playback.open(clock)
        facts = self._playback.facts
        self.rate_hz, self.channels = facts["rate_hz"], facts["channels"]
        self.notes = _about_channels(self.path, facts)
        self._begin = self._given = self._filled = -(-begin_ns * self.rate_hz // NS_PER_S)

    def read(self, timeout_s: float = MAX_WAIT_S) -> Block | None:
        now_ns = self._clock.now_ns()
        self._playback.timeline.position_ns(now_ns)  # a gap in time is noticed before it is waited for
        wanted_ns = self._time_ns(self._given + max(1, round(BLOCK_S * self.rate_hz)))
        if wanted_ns > now_ns:
            self._clock.sleep_until_ns(min(wanted_ns, now_ns + round(timeout_s * NS_PER_S)))
            now_ns = self._clock.now_ns()
            if wanted_ns > now_ns:
                return None
        due = self._playback.timeline.position_ns(now_ns) * self.rate_hz // NS_PER_S
        self._fill(due)
        count = min(due, self._filled) - self._given
        if count <= 0:
            if self._playback.has_ended and self._pending is None:
                seconds = self._given / self.rate_hz
                raise SourceEndedError(f'"{self.path}" has ended after {seconds:.1f} s of sound.')
            return None
        samples = self._take(count)
        self._given += count
        return Block(samples, self._given - self._begin, self._time_ns(self._given))

    def kill(self) -> bool:
        self._playback.kill()
        return True

    def close(self) -> None:
        self._playback.close()

    def _time_ns(self, samples: int) -> int:
        return self._playback.timeline.time_ns(samples * NS_PER_S // self.rate_hz)

    def _fill(self, due: int) -> None:
        """Has what is due ready, as far as it is decoded; samples are counted from the beginning of the timeline."""
        while self._filled < due:
            if self._pending is None:
                self._pending = self._playback.next()
            if self._pending is None:
                return
            start = round(self._pending.at_ns * self.rate_hz / NS_PER_S)
            if not self._pending.is_first and abs(start - self._filled) <= TOLERANCE_S * self.rate_hz:
                start = self._filled  # many containers round their time stamps
            if start > self._filled:
                self._add(np.zeros((self.channels, min(start, due) - self._filled), np.int16))
            if start <= self._filled:
                samples = np.frombuffer(self._pending.content, np.int16).reshape(-1, self.channels).T
                self._add(samples[:, self._filled - start :])
                self._pending = None

    def _add(self, samples: Int16[np.ndarray, "c n"]) -> None:
        self._pieces.append(samples)
        self._filled += samples.shape[1]

    def _take(self, count: int) -> Int16[np.ndarray, "c n"]:
        everything = np.concatenate(self._pieces, axis=1)
        self._pieces = [everything[:, count:]]
        return everything[:, :count]


def _about_channels(path: str, facts: dict[str, Any]) -> tuple[str, ...]:
    """What is to be told of a file's channels."""
    count, given, layout = facts["file_channels"], facts["channels"], facts["layout"]
    if count == given:
        return ()
    if facts["is_cut"]:
        return (f'"{path}" has {count} channels, which FFmpeg cannot mix: all but the first {given} are left out',)
    how = f"are mixed to {given}, as FFmpeg does"
    if layout:
        return (f'"{path}" has {count} channels ({layout}): they {how}',)
    return (f'"{path}" has {count} channels and does not say which is where: they {how} for so many, by a guess',)
