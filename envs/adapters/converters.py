"""`Converter`: one source of a foreign environment as one sense; `convert(value)` gives a new array of the kind's form.

Each class converts one sort of value: pictures, sound, text, categories, numbers. They keep no state and decide
nothing: which source becomes which sense is settled in `inference.py`, and `generic.py` calls them at every step.
"""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...perception.errors import ObservationError
from ...perception.spec import Camera, Grid, Instruction, Kind, Microphone, Vector
from ...perception.tokenizer import Tokenizer
from ..opencv import import_cv2

PCM_STEPS = 32768
"""The contract's sound is float32 in multiples of 1 / 32768, which is what 16-bit samples hold."""


@dataclasses.dataclass(frozen=True)
class Converter:
    """How one source becomes one sense. Subclasses implement `convert`."""

    source: str
    kind: Kind

    def convert(self, value: Any) -> NDArray[Any]:
        """Converts one value of the source into a new array that shares no memory with it."""
        raise NotImplementedError

    def _array(self, value: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        array = np.asarray(value)
        if array.shape != shape:
            raise ObservationError(
                f'"{self.source}" must have shape {shape}, as its space says; got {array.shape}. Fix the environment.'
            )
        return array


@dataclasses.dataclass(frozen=True)
class PictureConverter(Converter):
    """uint8 pictures, grey or RGB, channels last or first, as RGB frames; resized where the kind has another size."""

    kind: Camera
    shape: tuple[int, ...]
    is_channels_first: bool = False

    def convert(self, value: Any) -> NDArray[np.uint8]:
        """Returns uint8 (height, width, 3)."""
        picture = self._array(value, self.shape)
        if self.is_channels_first:
            picture = np.moveaxis(picture, 0, -1)
        if picture.ndim == 2:
            picture = picture[..., None]
        height, width = picture.shape[:2]
        if (height, width) != (self.kind.height, self.kind.width):
            picture = self._resize(picture)
        frame = np.empty((self.kind.height, self.kind.width, 3), np.uint8)
        frame[...] = picture  # a single grey channel spreads over the three
        return frame

    def _resize(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        cv2 = import_cv2("Resizing")
        height, width = picture.shape[:2]
        is_shrinking = self.kind.height <= height and self.kind.width <= width
        how = cv2.INTER_AREA if is_shrinking else cv2.INTER_LINEAR
        resized = cv2.resize(np.ascontiguousarray(picture), (self.kind.width, self.kind.height), interpolation=how)
        return resized.reshape(self.kind.height, self.kind.width, -1)


@dataclasses.dataclass(frozen=True)
class SoundConverter(Converter):
    """int16, uint8 (silence is 128) or float samples as float32 (channels, samples) on the 16-bit grid."""

    kind: Microphone
    shape: tuple[int, ...]
    is_channels_last: bool = False

    def convert(self, value: Any) -> NDArray[np.float32]:
        """Returns float32 (channels, samples) in -1..1; a value that is not finite stays so and is absent later."""
        samples = self._array(value, self.shape)
        if samples.dtype == np.int16:
            sound = samples.astype(np.float32) / np.float32(PCM_STEPS)
        elif samples.dtype == np.uint8:
            sound = (samples.astype(np.float32) - 128) / 128
        else:
            bounded = np.where(np.isfinite(samples), np.clip(samples, -1.0, 1.0), np.nan)
            sound = np.rint(bounded * PCM_STEPS).astype(np.float32) / np.float32(PCM_STEPS)
        sound = np.atleast_2d(sound)
        return np.ascontiguousarray(sound.T) if self.is_channels_last else sound


@dataclasses.dataclass(frozen=True)
class TextConverter(Converter):
    """A string as token ids."""

    kind: Instruction
    tokenizer: Tokenizer

    def convert(self, value: Any) -> NDArray[np.int32]:
        """Returns int32 (max_tokens,)."""
        return self.encode(str(value))[0]

    def encode(self, text: str) -> tuple[NDArray[np.int32], bool]:
        """Token ids, and whether the text did not fit."""
        return self.tokenizer.encode(text, self.kind.max_tokens)


@dataclasses.dataclass(frozen=True)
class TokenConverter(Converter):
    """Token ids that the environment made itself."""

    kind: Instruction

    def convert(self, value: Any) -> NDArray[np.int32]:
        """Returns int32 (max_tokens,)."""
        return np.array(self._array(value, self.kind.shape), np.int32)


@dataclasses.dataclass(frozen=True)
class CategoryGridConverter(Converter):
    """Cells of categories, uint8, with or without a channel axis."""

    kind: Grid
    shape: tuple[int, ...]

    def convert(self, value: Any) -> NDArray[np.uint8]:
        """Returns uint8 (height, width, channels)."""
        return np.array(self._array(value, self.shape), np.uint8).reshape(self.kind.shape)


@dataclasses.dataclass(frozen=True)
class NumbersConverter(Converter):
    """Numbers of any shape, or bits, laid out in one row."""

    kind: Vector
    shape: tuple[int, ...]

    def convert(self, value: Any) -> NDArray[np.float32]:
        """Returns float32 (size,)."""
        return np.array(self._array(value, self.shape), np.float32).reshape(-1)


@dataclasses.dataclass(frozen=True)
class CategoriesConverter(Converter):
    """One or several choices, one-hot each, side by side.

    Attributes:
        starts: the first value of each choice.
        sizes: the number of values of each choice.
    """

    kind: Vector
    starts: tuple[int, ...]
    sizes: tuple[int, ...]

    def convert(self, value: Any) -> NDArray[np.float32]:
        """Returns float32 (sum of sizes,)."""
        chosen = np.asarray(value, np.int64).reshape(-1) - self.starts
        if chosen.shape != (len(self.sizes),) or (chosen < 0).any() or (chosen >= self.sizes).any():
            raise ObservationError(f'"{self.source}" is outside its space: got {value!r}. Fix the environment.')
        row = np.zeros(self.kind.size, np.float32)
        row[np.cumsum((0, *self.sizes[:-1])) + chosen] = 1.0
        return row
