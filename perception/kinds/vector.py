"""Plain numbers."""

import dataclasses
from typing import ClassVar

import numpy as np
from gymnasium import spaces

from .base import Kind, require_positive


@dataclasses.dataclass(frozen=True)
class Vector(Kind):
    """Numbers without a grid, float32 (size,): proprioception, compass, touch, odour, a depth scan."""

    size: int
    dtype: ClassVar[type[np.generic]] = np.float32

    def __post_init__(self) -> None:
        require_positive(self, "size")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.size,)

    def space(self) -> spaces.Box:
        return spaces.Box(-np.inf, np.inf, (self.size,), np.float32)
