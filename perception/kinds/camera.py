"""Camera frames."""

import dataclasses
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ..errors import SpecError
from .base import Kind, Picture, require_positive


@dataclasses.dataclass(frozen=True)
class Camera(Kind):
    """RGB frames, uint8 (height, width, 3); any size from 16 x 16 pixels up."""

    height: int
    width: int
    dtype: ClassVar[type[np.generic]] = np.uint8

    def __post_init__(self) -> None:
        require_positive(self, "height", "width")
        if min(self.height, self.width) < 16:
            raise SpecError(
                f"Camera frames must be at least 16 x 16 pixels; got {self.height} x {self.width}. "
                "Enlarge the frame, or use Grid or Vector for smaller data."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.height, self.width, 3)

    def space(self) -> spaces.Box:
        return spaces.Box(0, 255, (self.height, self.width, 3), np.uint8)

    def draw(self, reading: NDArray[Any]) -> Picture:
        return reading
