"""Symbolic views: cells of categories."""

import dataclasses
from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from gymnasium import spaces

from ..errors import SpecError
from .base import Kind, require_positive


@dataclasses.dataclass(frozen=True)
class Grid(Kind):
    """Cells of categories, uint8 (height, width, len(sizes)); channel c takes 0..sizes[c] - 1 (BabyAI's view).

    An encoder may put each distinct cell once, and where it is seen by number, in the place of whole grids.
    """

    height: int
    width: int
    sizes: tuple[int, ...]
    dtype: ClassVar[type[np.generic]] = np.uint8
    instead: ClassVar[tuple[str, ...]] = ("numbers", "distinct")

    def __post_init__(self) -> None:
        require_positive(self, "height", "width")
        sizes = tuple(self.sizes) if isinstance(self.sizes, Iterable) else ()
        if not sizes or not all(isinstance(size, (int, np.integer)) and 1 <= size <= 256 for size in sizes):
            raise SpecError(
                f"`sizes` of Grid must hold a whole number of 1 to 256 for each channel; got {self.sizes!r}."
            )
        object.__setattr__(self, "sizes", tuple(int(size) for size in sizes))

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.height, self.width, len(self.sizes))

    def space(self) -> spaces.Box:
        high = np.broadcast_to(np.asarray(self.sizes, np.int64) - 1, (self.height, self.width, len(self.sizes)))
        return spaces.Box(np.zeros(high.shape, np.uint8), high.astype(np.uint8), dtype=np.uint8)
