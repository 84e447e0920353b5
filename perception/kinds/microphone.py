"""Sound, as windows of samples."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from .base import Kind, Picture, require_positive
from .drawing import waveforms

FULL_SCALE = 2**15
"""16-bit samples: sound is whole multiples of 1 / 32768."""

LOUDEST = 4.0
"""Samples beyond -4..4 are no sound that is a little too loud, and cut off, but one that was never scaled."""


@dataclasses.dataclass(frozen=True)
class Microphone(Kind):
    """Sound, float32 (channels, samples) in -1..1, multiples of 2^-15, at `sample_rate_hz`.

    Beside it may stand its `length`: how many of the first samples are real, where a recording is shorter. An encoder
    may put features in its place.
    """

    channels: int
    samples: int
    sample_rate_hz: int
    dtype: ClassVar[type[np.generic]] = np.float32
    beside: ClassVar[tuple[str, ...]] = ("length",)
    instead: ClassVar[tuple[str, ...]] = ("features",)

    def __post_init__(self) -> None:
        require_positive(self, "channels", "samples", "sample_rate_hz")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, self.samples)

    def space(self) -> spaces.Box:
        return spaces.Box(-1.0, 1.0, (self.channels, self.samples), np.float32)

    def draw(self, reading: NDArray[Any]) -> Picture:
        return waveforms(reading)

    def pack(self, reading: NDArray[Any]) -> dict[str, Any]:
        """Any number of samples, channels in turn: 16-bit where that loses nothing, else floats."""
        block = np.ascontiguousarray(reading.T)
        about = {"sample_rate": self.sample_rate_hz, "number_of_channels": self.channels}
        pcm = (block * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype("<i2")
        if (pcm.astype(np.float32) / FULL_SCALE).tobytes() == block.tobytes():
            return about | {"format": "pcm-s16", "data": pcm.tobytes()}
        return about | {"format": "pcm-f32", "data": block.astype("<f4").tobytes()}

    def unpack(self, packed: Mapping[str, Any]) -> NDArray[Any]:
        """The samples that were packed, float32 (channels, any number)."""
        if packed["format"] == "pcm-s16":
            block = np.frombuffer(packed["data"], "<i2").astype(np.float32) / FULL_SCALE
        else:
            block = np.frombuffer(packed["data"], "<f4").astype(np.float32)
        return block.reshape(-1, self.channels).T
