"""Depth maps: how far away things are, pixel by pixel."""

import dataclasses
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ..checks import require_number
from ..errors import ConfigError, SpecError
from .base import Kind, Picture, require_positive

UNKNOWN = (40, 44, 70)
"""The colour of pixels whose distance is not known."""


@dataclasses.dataclass(frozen=True)
class Depth(Kind):
    """Distances, float32 (height, width), in metres up to `max_m`; 0 where unknown. From 16 x 16 pixels up.

    A pixel beyond `max_m` counts as at `max_m`, and one below 0 as unknown. A map that holds NaN or inf is not finite,
    and so absent as a whole: make such pixels 0 before, as `senseweave.envs.adapt` does.
    """

    height: int
    width: int
    max_m: float
    dtype: ClassVar[type[np.generic]] = np.float32

    def __post_init__(self) -> None:
        require_positive(self, "height", "width")
        try:
            require_number("max_m", self.max_m, above=0, of="Depth")
        except ConfigError as error:
            raise SpecError(str(error)) from None
        object.__setattr__(self, "max_m", float(self.max_m))
        if min(self.height, self.width) < 16:
            raise SpecError(
                f"Depth maps must be at least 16 x 16 pixels; got {self.height} x {self.width}. "
                "Enlarge the map, or use Vector for smaller data."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.height, self.width)

    def space(self) -> spaces.Box:
        return spaces.Box(0.0, self.max_m, (self.height, self.width), np.float32)

    def draw(self, reading: NDArray[Any]) -> Picture:
        """Near is bright, far is dark, and what is unknown has a colour of its own."""
        distances = np.nan_to_num(reading.astype(np.float64))
        grey = np.rint(255.0 * (1.0 - np.clip(distances / self.max_m, 0.0, 1.0))).astype(np.uint8)
        picture = np.repeat(grey[..., None], 3, axis=-1)
        picture[distances <= 0.0] = UNKNOWN
        return picture
