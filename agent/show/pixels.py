"""Pictures of pixels for pages: as inline PNG, shrunk, and made of numbers."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...envs.opencv import import_cv2

_HEAT = ((18, 22, 52), (66, 60, 130), (170, 70, 110), (240, 140, 70), (250, 230, 170))
_UNKNOWN = 215


def png(picture: NDArray[np.uint8]) -> str:
    """A picture, RGB, as a data address.

    Raises:
        MissingExtraError: cv2 cannot be imported.
    """
    done, data = import_cv2("Drawing").imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    return f"data:image/png;base64,{base64.b64encode(data.tobytes()).decode()}" if done else ""


def shrunk(picture: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """A picture at most `height` pixels high."""
    if picture.shape[0] <= height:
        return picture
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    cv2: Any = import_cv2("Drawing")
    return cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=cv2.INTER_AREA)


def heat(levels: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Shares of 0..1 as colours, from dark blue to pale yellow; grey where not finite. Any shape, and 3 more."""
    stops = np.array(_HEAT, np.float64)
    places = np.linspace(0, 1, len(stops))
    known = np.nan_to_num(levels, nan=0.0).clip(0, 1)
    colours = np.stack([np.interp(known, places, stops[:, i]) for i in range(3)], axis=-1)
    return np.where(np.isfinite(levels)[..., None], colours, _UNKNOWN).astype(np.uint8)
