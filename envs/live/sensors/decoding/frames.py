"""A camera's frame, whatever it looks like, made into the frame that the Spec promises: cut to its aspect, shrunk, RGB.

The middle of the picture is kept, and every pixel of it counts (area averaging), as in the pictures that policies are
trained with. Where the picture is smaller than wanted, it is enlarged linearly.

h, w height and width of the device's frame, c its channels; height, width those of the Spec
"""

from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from .....perception.errors import ObservationError
from ....opencv import import_cv2


def fit_frame(
    frame: NDArray[Any], height: int, width: int, *, pixel_aspect: float = 1.0
) -> UInt8[np.ndarray, "height width 3"]:
    """Cuts, resizes and converts one frame.

    Args:
        frame: as OpenCV gives it: grey (h, w) or (h, w, 1), BGR (h, w, 3) or BGRA (h, w, 4), uint8 or uint16.
        height: of the result, in pixels.
        width: of the result, in pixels.
        pixel_aspect: width of a pixel of the frame by its height; those of the result are square.

    Returns:
        RGB, uint8 (height, width, 3), never memory of `frame`.

    Raises:
        ObservationError: `frame` is no picture.
    """
    cv2 = import_cv2("A camera")
    if frame.ndim not in (2, 3) or frame.size == 0 or (frame.ndim == 3 and frame.shape[2] not in (1, 3, 4)):
        raise ObservationError(f"A frame must be (h, w), or (h, w, c) with 1, 3 or 4 channels; got {frame.shape}.")
    if frame.dtype == np.uint16:
        frame = (frame >> 8).astype(np.uint8)
    if frame.dtype != np.uint8:
        raise ObservationError(f"A frame must be uint8 or uint16; got {frame.dtype}.")
    if frame.ndim == 3 and frame.shape[2] == 1:
        frame = frame[..., 0]
    part = np.ascontiguousarray(middle(frame, height, width / pixel_aspect))
    if part.shape[:2] != (height, width):
        shrinks = part.shape[0] >= height and part.shape[1] >= width
        way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        part = cv2.resize(part, (width, height), interpolation=way)
    if part.ndim == 2:
        return np.repeat(part[..., None], 3, axis=2)
    return np.ascontiguousarray(part[..., 2::-1])


def middle(frame: NDArray[Any], height: float, width: float) -> NDArray[Any]:
    """The largest part in the middle of a frame that has the aspect width / height, as a view."""
    h, w = frame.shape[:2]
    kept_w = min(w, max(1, round(h * width / height)))
    kept_h = min(h, max(1, round(w * height / width)))
    top, left = (h - kept_h) // 2, (w - kept_w) // 2
    return frame[top : top + kept_h, left : left + kept_w]
