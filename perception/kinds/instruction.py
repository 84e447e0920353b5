"""Texts, as token ids."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from .base import Kind, require_positive


@dataclasses.dataclass(frozen=True)
class Instruction(Kind):
    """A text as token ids, int32 (max_tokens,) in 0..vocab_size - 1; 0 is padding."""

    max_tokens: int
    vocab_size: int
    dtype: ClassVar[type[np.generic]] = np.int32
    is_text: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_positive(self, "max_tokens", "vocab_size")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.max_tokens,)

    def space(self) -> spaces.Box:
        return spaces.Box(0, self.vocab_size - 1, (self.max_tokens,), np.int32)

    def draw(self, reading: NDArray[Any]) -> None:
        """Nothing: words are for reading."""

    def pack(self, reading: NDArray[Any]) -> dict[str, Any]:
        return {"tokens": np.trim_zeros(reading, "b").tolist()}

    def unpack(self, packed: Mapping[str, Any]) -> NDArray[Any]:
        tokens = np.asarray(packed["tokens"], np.int32)
        return np.pad(tokens, (0, self.max_tokens - len(tokens)))
