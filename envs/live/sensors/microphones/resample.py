"""Sound from one number of channels and one rate to another, block by block, without clicks between the blocks.

The filter is libswresample's, through PyAV: band-limited, so that what the lower rate cannot hold is gone instead of
folded. Sample k of the result is the sound at k / to_hz seconds of the input: the filter's delay shows only in how many
samples are out already.

c channels, n samples in, m samples out
"""

from typing import Any

import numpy as np
from jaxtyping import Int16

from .....perception.errors import MissingExtraError

Sound = Int16[np.ndarray, "c n"]
"""Samples of several channels, int16; value / 2^15 is the pressure in -1..1."""


def load_av() -> Any:
    """PyAV.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(f"Sound needs PyAV, which cannot be imported ({error}); run: pip install av") from error
    return av


def mix(sound: Int16[np.ndarray, "d n"], channels: int) -> Int16[np.ndarray, "c n"]:
    """Makes `channels` channels of what there is: one is repeated, many become their mean or lose the last ones.

    A file's many channels do not come here: FFmpeg mixes them, which knows where each of them is (`feeds.py`).
    """
    if len(sound) == channels:
        return sound
    if channels == 1:
        return np.rint(sound.mean(axis=0, dtype=np.float32, keepdims=True)).astype(np.int16)
    return np.ascontiguousarray(sound[np.arange(channels) % len(sound)] if len(sound) < channels else sound[:channels])


class StreamResampler:
    """Resamples one stream.

    Args:
        channels: of the stream.
        from_hz: its rate.
        to_hz: the rate wanted.

    Attributes:
        taken: samples taken in so far.
        given: samples given out so far.
    """

    def __init__(self, channels: int, from_hz: int, to_hz: int) -> None:
        self.channels = channels
        self.from_hz = from_hz
        self.to_hz = to_hz
        self.taken = 0
        self.given = 0
        if from_hz == to_hz:  # nothing to do, and PyAV need not be loaded
            return
        self._av = load_av()
        # One a channel: equal filters keep the channels in step, and any number of channels will do.
        self._filters = [self._av.AudioResampler(format="s16p", layout="mono", rate=to_hz) for _ in range(channels)]

    def push(self, sound: Int16[np.ndarray, "c n"]) -> Int16[np.ndarray, "c m"]:
        """Takes the next samples and gives what is ready; some 2 ms stay inside until more comes."""
        self.taken += sound.shape[1]
        if sound.shape[1] == 0 or self.from_hz == self.to_hz:
            self.given += sound.shape[1]
            return sound
        ready = np.concatenate([self._push(one, sound[number]) for number, one in enumerate(self._filters)])
        self.given += ready.shape[1]
        return ready

    @property
    def held_s(self) -> float:
        """How much sound is inside, in seconds: taken, but not given yet."""
        return self.taken / self.from_hz - self.given / self.to_hz

    def _push(self, one: Any, samples: Int16[np.ndarray, " n"]) -> Int16[np.ndarray, "1 m"]:
        frame = self._av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="s16p", layout="mono")
        frame.sample_rate = self.from_hz
        pieces = [piece.to_ndarray() for piece in one.resample(frame)]
        return np.concatenate(pieces, axis=1) if pieces else np.zeros((1, 0), np.int16)
