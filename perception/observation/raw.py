"""Raw readings of one sense to tensors: arrays, tensors, strings and recordings, one or a batch.

A class for each kind that can be given in more than one form; `prepare` (prepare.py) asks the right one.

b batch
"""

import functools
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from ..errors import ObservationError, TokenizerMismatchError
from ..kinds.base import Kind
from ..kinds.by_kind import ByKind
from ..kinds.camera import Camera
from ..kinds.depth import Depth
from ..kinds.instruction import Instruction
from ..kinds.microphone import LOUDEST, Microphone
from ..spec import key_of
from ..tokenizer import Tokenizer, default_tokenizer
from .layout import READING

OfKind = TypeVar("OfKind", bound=Kind)


class RawReading(Generic[OfKind]):
    """Readings of the kind's own shape and type, alone or in a batch.

    Args:
        name: the sense.
        kind: its kind.
        tokenizer: for strings; the one shipped with the package by default.
    """

    def __init__(self, name: str, kind: OfKind, tokenizer: Tokenizer | None = None) -> None:
        self.name, self.kind, self.tokenizer = name, kind, tokenizer

    def read(self, value: Any) -> tuple[dict[str, Tensor], Bool[Tensor, " b"] | None]:
        """As `parts`; a list may also hold None in the place of some readings, or recordings of different lengths.

        Returns:
            The parts, and which rows are here; None where all are.

        Raises:
            ObservationError, TokenizerMismatchError: see `parts`.
        """
        is_list = isinstance(value, (list, tuple)) and len(value) > 0
        if not is_list or not (any(one is None for one in value) or self._is_ragged(value)):
            return self.parts(value), None
        each = [self.nothing(1) if one is None else self.parts(one) for one in value]
        most = {part: torch.tensor([self.most_beside()]) for one in each for part in one if part != READING}
        whole = [most | one for one in each]
        if any(len(one[READING]) != 1 for one in whole):
            raise ObservationError(
                f'"{self.name}" must be one reading in each place of the list; got a batch in one of them. Pass one '
                "list or one batch."
            )
        here = torch.tensor([one is not None for one in value])
        return {part: torch.cat([one[part] for one in whole]) for part in whole[0]}, here

    def _is_ragged(self, value: Any) -> bool:
        return as_tensor(value) is None

    def parts(self, value: Any) -> dict[str, Tensor]:
        """The reading as a tensor with a batch axis, and what stands beside it.

        Raises:
            ObservationError: it is not of the kind's shape or type.
            TokenizerMismatchError: it is a text, and the vocabulary is not the tokenizer's.
        """
        return {READING: self._tensor(value)}

    def nothing(self, b: int) -> dict[str, Tensor]:
        """What stands for it where it is absent."""
        return {READING: torch.from_numpy(np.stack([self.kind.placeholder()] * b))}

    def require_values(self, readings: Shaped[Tensor, "b ..."]) -> None:
        """Looks at the values of readings that are here.

        Raises:
            ObservationError: whole numbers that the kind does not know.
        """
        if not np.issubdtype(self.kind.dtype, np.integer) or not readings.numel():
            return
        low, high = _limits(self.kind)
        least, most = readings.amin(), readings.amax()
        if (readings.cpu() < low).any() or (readings.cpu() > high).any():
            raise ObservationError(
                f'"{self.name}" must be within {int(low.min())}..{int(high.max())}, as its kind says; got '
                f"{int(least)}..{int(most)}. Make a Spec that fits, or look where the numbers come from."
            )

    def beside(self, part: str, value: Any, b: int) -> Tensor:
        """What came beside the readings, a whole number for each.

        Raises:
            ObservationError: it is something else.
        """
        numbers, most = as_tensor(value), self.most_beside()
        is_whole = numbers is not None and not (numbers.is_floating_point() or numbers.is_complex())
        if numbers is None or not is_whole or numbers.numel() != b or numbers.min() < 0 or numbers.max() > most:
            raise ObservationError(
                f'"{key_of(self.name, part)}" must be {b} whole numbers within 0..{most}, one for each reading; '
                f"got {value!r:.80}."
            )
        return numbers.reshape(b).long().clone()

    def most_beside(self) -> int:
        """The largest such number, which also stands where none came."""
        return 2**31 - 1

    def described(self) -> str:
        """What it has to be, in words."""
        return f"{np.dtype(self.kind.dtype).name} of shape {self.kind.shape}"

    def _tensor(self, value: Any) -> Tensor:
        tensor = as_tensor(value)
        if tensor is None:
            raise ObservationError(
                f'"{self.name}" must be {self.described()}; got {type(value).__name__}. Pass a numpy array or a tensor.'
            )
        shape, rank = tuple(tensor.shape), len(self.kind.shape)
        is_fit = self._fits_type(tensor) and self._fits_shape(shape[-rank:])
        if not is_fit or len(shape) not in (rank, rank + 1) or 0 in shape:
            raise ObservationError(
                f'"{self.name}" must be {self.described()}, alone or in a batch; '
                f"got {str(tensor.dtype).removeprefix('torch.')} of shape {shape}. {self._advice(tensor)}"
            )
        tensor = self._converted(tensor)
        return tensor if len(shape) == rank + 1 else tensor[None]

    def _advice(self, tensor: Tensor) -> str:
        """What to do with readings of another shape or type."""
        return "Convert it, or make a Spec that fits."

    def _fits_type(self, tensor: Tensor) -> bool:
        wanted = np.dtype(self.kind.dtype)
        if wanted == np.uint8:
            return tensor.dtype == torch.uint8
        if np.issubdtype(wanted, np.integer):
            return not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)
        return not tensor.is_complex()

    def _fits_shape(self, shape: tuple[int, ...]) -> bool:
        return shape == self.kind.shape

    def _converted(self, tensor: Tensor) -> Tensor:
        wanted = np.dtype(self.kind.dtype)
        if np.issubdtype(wanted, np.floating):
            return tensor.float()
        return tensor.int() if np.issubdtype(wanted, np.integer) and wanted != np.uint8 else tensor


class RawFrames(RawReading[Camera]):
    """Frames, uint8: those of another form are refused with the line that converts them."""

    def _advice(self, tensor: Tensor) -> str:
        name, (height, width, _), shape = self.name, self.kind.shape, tuple(tensor.shape)
        if tensor.is_floating_point():
            scale = "255 * " if tensor.numel() and float(tensor.amax()) <= 1.0 else ""
            return f"Make them bytes: np.uint8(np.rint({scale}{name}))."
        if tensor.dtype == torch.uint8 and shape[-3:] == (3, height, width):
            return f"Move the channels to the end: np.moveaxis({name}, -3, -1)."
        if tensor.dtype == torch.uint8 and shape[-3:] == (height, width, 4):
            return f"Leave the alpha channel out: {name}[..., :3]."
        if tensor.dtype == torch.uint8 and shape[-2:] == (height, width):
            return f"Grey pictures need three channels: np.repeat({name}[..., None], 3, axis=-1)."
        if tensor.dtype == torch.uint8 and len(shape) == 3 and shape[-1] == 3:
            return (
                f"Resize it, cv2.resize({name}, ({width}, {height}), interpolation=cv2.INTER_AREA), or make a Spec "
                f"with Camera({shape[0]}, {shape[1]})."
            )
        return super()._advice(tensor)


class RawDepth(RawReading[Depth]):
    """Depth maps in metres."""

    def require_values(self, readings: Shaped[Tensor, "b ..."]) -> None:
        """Looks whether they are metres.

        Raises:
            ObservationError: they are far beyond what the kind knows, as millimetres are.
        """
        finite = readings[torch.isfinite(readings)]
        if finite.numel() and float(finite.amax()) > 100.0 * self.kind.max_m:
            raise ObservationError(
                f'"{self.name}" must be in metres up to {self.kind.max_m:g}; got up to {float(finite.amax()):g}. '
                "Divide millimetres by 1000."
            )


class RawText(RawReading[Instruction]):
    """Token ids, a string or a list of strings."""

    def parts(self, value: Any) -> dict[str, Tensor]:
        return super().parts(self._tokens(value))

    def described(self) -> str:
        return f"a string, a list of strings, or {super().described()}"

    def _tokens(self, value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind in "UO":
            value = value.tolist()
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts) or not texts:
            return value
        tokenizer = self.tokenizer or default_tokenizer()
        if tokenizer.vocab_size != self.kind.vocab_size:
            raise TokenizerMismatchError(
                f'The vocabulary of "{self.name}" must be the tokenizer\'s, {tokenizer.vocab_size}; '
                f"got {self.kind.vocab_size}. Pass the tokenizer that made its tokens, or tokens instead of text."
            )
        return np.stack([tokenizer.encode(text, self.kind.max_tokens)[0] for text in texts])


class RawSound(RawReading[Microphone]):
    """Sound of any length, floats or int16: cut or filled up to the kind's samples, with how many are real."""

    def parts(self, value: Any) -> dict[str, Tensor]:
        sound = self._tensor(value)
        heard = min(sound.shape[-1], self.kind.samples)
        newest = sound[..., sound.shape[-1] - heard :]
        filled = torch.nn.functional.pad(newest, (0, self.kind.samples - heard))
        return {READING: filled, "length": torch.full((len(sound),), heard)}

    def require_values(self, readings: Shaped[Tensor, "b ..."]) -> None:
        """Looks whether samples are scaled.

        Raises:
            ObservationError: they are far beyond -1..1.
        """
        loudest = readings.nan_to_num(0.0, 0.0, 0.0).abs().amax() if readings.numel() else 0.0
        if loudest > LOUDEST:
            raise ObservationError(
                f'"{self.name}" must be sound within -1..1; got samples up to {float(loudest):g}. Divide 16-bit '
                "samples by 32768, or pass them as int16."
            )

    def most_beside(self) -> int:
        return self.kind.samples

    def _fits_type(self, tensor: Tensor) -> bool:
        return tensor.is_floating_point() or tensor.dtype == torch.int16

    def _fits_shape(self, shape: tuple[int, ...]) -> bool:
        return shape[:-1] == self.kind.shape[:-1]

    def _converted(self, tensor: Tensor) -> Tensor:
        return tensor.float() / 32768.0 if tensor.dtype == torch.int16 else tensor.float()


RAW: ByKind[type[RawReading[Any]]] = ByKind(
    "raw reading",
    {"Kind": RawReading, "Camera": RawFrames, "Depth": RawDepth, "Instruction": RawText, "Microphone": RawSound},
)
"""Kind -> what makes tensors of its readings."""


def raw_reading(name: str, kind: Kind, tokenizer: Tokenizer | None = None) -> RawReading[Any]:
    """What makes tensors of the readings of one sense."""
    return (RAW.nearest(kind) or RawReading)(name, kind, tokenizer)


@functools.lru_cache(maxsize=256)
def _limits(kind: Kind) -> tuple[Tensor, Tensor]:
    """The least and the greatest value at each place; a kind builds a space to know them."""
    space = kind.space()
    return torch.from_numpy(space.low.astype(np.int64)), torch.from_numpy(space.high.astype(np.int64))


def as_tensor(value: Any) -> Tensor | None:
    """The value itself if it is a tensor, or a copy of it as one, whatever its memory layout; None if it cannot be."""
    if isinstance(value, Tensor):
        return value
    try:
        array = np.array(np.asarray(value), order="C")
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
    except (TypeError, ValueError, RuntimeError):
        return None
