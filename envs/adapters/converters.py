"""`Converter`: one source of a foreign environment as one sense; `convert(value)` gives a new array of the kind's form.

Each class converts one sort of value: sound, text, tokens, categories, numbers; pictures are in `pictures.py`. They
keep no state and decide nothing: which source becomes which sense is settled in `inference.py`, and `generic.py` calls
them at every step. A value of another type than its space says is refused at every step, never cast in silence.
"""

import dataclasses
import warnings
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ...perception.errors import ObservationError
from ...perception.spec import LOUDEST, Grid, Instruction, Kind, Microphone, Vector
from ...perception.tokenizer import Tokenizer

PCM_STEPS = 32768
"""The contract's sound is float32 in multiples of 1 / 32768, which is what 16-bit samples hold."""


@dataclasses.dataclass(frozen=True)
class Converter:
    """How one source becomes one sense. Subclasses implement `convert`.

    Attributes:
        source: its name.
        kind: of the sense.
    """

    source: str
    kind: Kind

    def convert(self, value: Any) -> NDArray[Any] | None:
        """Converts one value of the source into a new array that shares no memory with it.

        Returns:
            The reading; None where the value holds nothing that the sense could be.

        Raises:
            ObservationError: it is not what the space says.
        """
        raise NotImplementedError

    def look(self, value: Any) -> None:
        """Looks at a value more closely than at every step.

        Raises:
            ObservationError: it is not what the space says.
        """

    def _array(self, value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """The value as an array of that shape, whose type is that one or fits into it."""
        array = self._numbers(value, shape)
        is_fit = array.dtype.kind == "f" == dtype.kind or (
            array.dtype.kind != "b" and dtype.kind != "f" and np.can_cast(array.dtype, dtype)
        )
        if not is_fit:
            raise ObservationError(
                f'"{self.source}" must be {dtype}, as its space says; got {array.dtype}. Fix the environment, or the '
                "space that it declares."
            )
        return array

    def _numbers(self, value: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        try:
            array = np.asarray(value)
        except (TypeError, ValueError, RuntimeError):
            array = np.empty(0, object)
        if array.dtype.kind not in "biuf":
            raise ObservationError(
                f'"{self.source}" must be real numbers of shape {shape}, as its space says; got '
                f"{type(value).__name__} ({value!r:.40}). Fix the environment."
            )
        if array.shape != shape:
            raise ObservationError(
                f'"{self.source}" must have shape {shape}, as its space says; got {array.shape}. Fix the environment.'
            )
        return array

    def _refuse_outside(self, array: NDArray[Any], low: Any, high: Any) -> None:
        """Refuses what has values beyond the limits; NaN is none."""
        if array.size and ((array < low).any() or (array > high).any()):
            raise ObservationError(
                f'"{self.source}" must be within {np.min(low):g}..{np.max(high):g}, as its space says; got '
                f"{np.nanmin(array):g}..{np.nanmax(array):g}. Fix the environment, or the space that it declares."
            )


@dataclasses.dataclass(frozen=True)
class SoundConverter(Converter):
    """int16, uint8 (silence is 128) or float samples as float32 (channels, samples) on the 16-bit grid.

    Attributes:
        dtype: of the samples.
        full_scale: what floats call the loudest: 1, or 32768 where they hold 16-bit samples.
    """

    kind: Microphone
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_channels_last: bool = False
    full_scale: float = 1.0

    def convert(self, value: Any) -> NDArray[np.float32]:
        """Returns float32 (channels, samples) in -1..1; a value that is not finite stays so and is absent later."""
        samples = self._array(value, self.shape, self.dtype)
        if self.dtype == np.int16:
            sound = samples.astype(np.float32) / np.float32(PCM_STEPS)
        elif self.dtype == np.uint8:
            sound = (samples.astype(np.float32) - 128) / 128
        else:
            samples = samples / self.full_scale
            finite = np.isfinite(samples)
            if finite.any() and np.abs(samples[finite]).max() > LOUDEST:
                raise ObservationError(
                    f'"{self.source}" must be sound within -1..1; got samples up to '
                    f"{np.abs(samples[finite]).max() * self.full_scale:g}. Divide 16-bit samples by 32768, or declare "
                    "their limits, -32768..32767, in the space."
                )
            bounded = np.where(finite, np.clip(samples, -1.0, 1.0), np.nan)
            sound = np.rint(bounded * PCM_STEPS).astype(np.float32) / np.float32(PCM_STEPS)
        sound = np.atleast_2d(sound)
        return np.ascontiguousarray(sound.T) if self.is_channels_last else sound


@dataclasses.dataclass(frozen=True)
class TextConverter(Converter):
    """A string as token ids."""

    kind: Instruction
    tokenizer: Tokenizer

    def convert(self, value: Any) -> NDArray[np.int32] | None:
        """Returns int32 (max_tokens,)."""
        text = self.text(value)
        return None if text is None else self.encode(text)[0]

    def text(self, value: Any) -> str | None:
        """The value as a string: a string, Python's or numpy's, alone or as the only one of a list or an array.

        Returns:
            The string; None where there is None in its place.

        Raises:
            ObservationError: it is something else, bytes among it, whose encoding nobody knows.
        """
        only = value
        if isinstance(only, np.ndarray) and only.size == 1:
            only = only.reshape(-1)[0]
        elif isinstance(only, (list, tuple)) and len(only) == 1:
            only = only[0]
        if only is None:
            return None
        if not isinstance(only, str):
            is_bytes = isinstance(only, bytes)
            raise ObservationError(
                f'"{self.source}" must be text, one string; got {type(only).__name__} ({only!r:.40}). '
                f"{'Decode it in the environment: text.decode().' if is_bytes else 'Fix the environment.'}"
            )
        return str(only)

    def encode(self, text: str) -> tuple[NDArray[np.int32], bool]:
        """Token ids, and whether the text did not fit."""
        return self.tokenizer.encode(text, self.kind.max_tokens)


@dataclasses.dataclass(frozen=True)
class TokenConverter(Converter):
    """Token ids that the environment made itself."""

    kind: Instruction

    def convert(self, value: Any) -> NDArray[np.int32]:
        """Returns int32 (max_tokens,)."""
        tokens = self._array(value, self.kind.shape, np.dtype(np.int64))
        self._refuse_outside(tokens, 0, self.kind.vocab_size - 1)
        return np.array(tokens, np.int32)


@dataclasses.dataclass(frozen=True)
class CategoryGridConverter(Converter):
    """Cells of categories, uint8, with or without a channel axis."""

    kind: Grid
    shape: tuple[int, ...]

    def convert(self, value: Any) -> NDArray[np.uint8]:
        """Returns uint8 (height, width, channels)."""
        cells = self._array(value, self.shape, np.dtype(np.int64)).reshape(self.kind.shape)
        self._refuse_outside(cells, 0, np.array(self.kind.sizes) - 1)
        return np.array(cells, np.uint8)


@dataclasses.dataclass(frozen=True)
class NumbersConverter(Converter):
    """Numbers of any shape, or bits, laid out in one row.

    Attributes:
        space: as the environment declares it, a Box or a MultiBinary.
    """

    kind: Vector
    space: spaces.Box | spaces.MultiBinary

    def convert(self, value: Any) -> NDArray[np.float32]:
        """Returns float32 (size,)."""
        numbers = self._numbers(value, self.space.shape)
        if isinstance(self.space, spaces.MultiBinary):
            self._refuse_outside(numbers, 0, 1)
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and so absent
            return np.array(numbers, np.float32).reshape(-1)

    def look(self, value: Any) -> None:
        """Warns of numbers beyond the declared limits: they are passed on as they are, so that nothing is lost."""
        if not isinstance(self.space, spaces.Box):
            return
        numbers, low, high = (
            part.astype(np.float64)
            for part in (self._numbers(value, self.space.shape), self.space.low, self.space.high)
        )
        slack = 1e-3 * np.where(np.isfinite(low) & np.isfinite(high), np.abs(low) + np.abs(high), 0.0)
        is_outside = np.isfinite(numbers) & ((numbers < low - slack) | (numbers > high + slack))
        if is_outside.any():
            warnings.warn(
                f'"{self.source}" goes beyond the limits that its space declares, {self.space!s:.80}; it is passed on '
                "as it is.",
                stacklevel=4,
            )


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
        try:
            given = np.asarray(value).reshape(-1)
        except (TypeError, ValueError, RuntimeError):
            given = np.empty(0)
        is_whole = given.shape == (len(self.sizes),) and given.dtype.kind in "biu"
        chosen = given.astype(np.int64) - self.starts if is_whole else np.array([-1])
        if (chosen < 0).any() or (chosen >= self.sizes).any():
            raise ObservationError(f'"{self.source}" is outside its space: got {value!r:.60}. Fix the environment.')
        row = np.zeros(self.kind.size, np.float32)
        row[np.cumsum((0, *self.sizes[:-1])) + chosen] = 1.0
        return row
