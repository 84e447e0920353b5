"""Converters of pictures: colours and grey values become frames, distances become depth maps.

A space's declared limits say what black and white are, and a value beyond them is refused when it is first seen.
"""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...perception.spec import Camera, Depth
from ..opencv import import_cv2
from .converters import Converter


@dataclasses.dataclass(frozen=True)
class PictureConverter(Converter):
    """Pictures, grey, RGB or RGBA, channels last or first, as RGB frames; resized where the kind has another size.

    Attributes:
        shape: of a picture.
        dtype: of its numbers.
        black: the lowest value.
        white: the highest.
        is_channels_first: where the channels are.
    """

    kind: Camera
    shape: tuple[int, ...]
    dtype: np.dtype[Any] = np.dtype(np.uint8)
    black: float = 0.0
    white: float = 255.0
    is_channels_first: bool = False

    def convert(self, value: Any) -> NDArray[np.uint8] | None:
        """Returns uint8 (height, width, 3); None for a picture that is not finite."""
        picture = self._array(value, self.shape, self.dtype)
        if picture.dtype != np.uint8 or (self.black, self.white) != (0.0, 255.0):
            if not np.isfinite(picture).all():
                return None
            share = (picture.astype(np.float64) - self.black) / (self.white - self.black)
            picture = np.rint(255.0 * share.clip(0.0, 1.0)).astype(np.uint8)
        if self.is_channels_first:
            picture = np.moveaxis(picture, 0, -1)
        if picture.ndim == 2:
            picture = picture[..., None]
        picture = picture[..., :3]  # transparency tells nothing of what is seen
        height, width = picture.shape[:2]
        if (height, width) != (self.kind.height, self.kind.width):
            picture = self._resize(picture)
        frame = np.empty((self.kind.height, self.kind.width, 3), np.uint8)
        frame[...] = picture  # a single grey channel spreads over the three
        return frame

    def look(self, value: Any) -> None:
        self._refuse_outside(self._array(value, self.shape, self.dtype), self.black, self.white)

    def _resize(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        cv2 = import_cv2("Resizing")
        height, width = picture.shape[:2]
        is_shrinking = self.kind.height <= height and self.kind.width <= width
        how = cv2.INTER_AREA if is_shrinking else cv2.INTER_LINEAR
        resized = cv2.resize(np.ascontiguousarray(picture), (self.kind.width, self.kind.height), interpolation=how)
        return resized.reshape(self.kind.height, self.kind.width, -1)


@dataclasses.dataclass(frozen=True)
class DepthConverter(Converter):
    """Distances in metres, with or without a channel axis; a pixel that is not finite or not above 0 is unknown."""

    kind: Depth
    shape: tuple[int, ...]

    def convert(self, value: Any) -> NDArray[np.float32]:
        """Returns float32 (height, width), 0 where unknown; what is farther than `max_m` is at `max_m`."""
        distances = self._array(value, self.shape, np.dtype(np.float64)).reshape(self.kind.shape)
        is_known = np.isfinite(distances) & (distances > 0)
        return np.where(is_known, np.minimum(distances, self.kind.max_m), 0.0).astype(np.float32)
