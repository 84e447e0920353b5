"""A canvas for people: texts of any script, and pictures fitted into panels. Shared by everything that draws with cv2.

Pictures are uint8 (height, width, 3), RGB. cv2 is imported when the first text is written.
"""

import functools
from typing import Any

import numpy as np
from jaxtyping import UInt8

from ...opencv import import_cv2

Picture = UInt8[np.ndarray, "_ _ 3"]
"""height width 3, RGB."""

Colour = tuple[int, int, int]
PAPER, INK, FAINT, TRACK = (248, 248, 246), (32, 33, 36), (120, 124, 130), (222, 224, 226)

REGULAR, BOLD = 400, 700
"""Weights of a text, where OpenCV knows them."""

_FILLS_A_PANEL = 0.75


def write(
    canvas: Picture, text: str, x: int, baseline: int, colour: Colour, size: int, *, weight: int = REGULAR
) -> None:
    """Writes one line of text.

    Args:
        canvas: is written on.
        text: characters that cannot be printed become spaces.
        x: where the text begins, in pixels.
        baseline: where its letters stand.
        colour: RGB.
        size: of the letters, in pixels.
        weight: how bold it is.

    Raises:
        MissingExtraError: cv2 cannot be imported.
    """
    cv2, text = import_cv2("Drawing"), printable(text)
    if hasattr(cv2, "FontFace"):  # OpenCV 5 draws any script
        cv2.putText(canvas, text, (x, baseline), colour, _font(), size, weight)
    else:
        plain = text.encode("ascii", "replace").decode()
        thickness = 1 if weight <= REGULAR else 2
        cv2.putText(canvas, plain, (x, baseline), cv2.FONT_HERSHEY_SIMPLEX, size / 32, colour, thickness, cv2.LINE_AA)


@functools.lru_cache(maxsize=4096)
def measure(text: str, size: int, *, weight: int = REGULAR) -> int:
    """How many pixels wide a text is."""
    cv2 = import_cv2("Drawing")
    if hasattr(cv2, "FontFace"):
        return int(cv2.getTextSize((8192, 8192), text, (0, 0), _font(), size, weight)[2])
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size / 32, 1)[0][0])


def printable(text: str) -> str:
    """The text without control characters and lone surrogates, on which OpenCV 5 ends the process."""
    return "".join(character if character.isprintable() else " " for character in text)


def fit(picture: Picture | None, side_px: int) -> Picture:
    """A picture in the middle of a square panel.

    Small ones are enlarged without blur, every pixel alike where that fills most of the panel; large ones are shrunk.

    Args:
        picture: of any size; None leaves the panel empty.
        side_px: of the panel.

    Returns:
        (side_px, side_px, 3).
    """
    panel = np.full((side_px, side_px, 3), TRACK, np.uint8)
    if picture is None:
        return panel
    cv2 = import_cv2("Drawing")
    height, width = picture.shape[:2]
    scale = side_px / max(height, width)
    if int(scale) >= _FILLS_A_PANEL * scale:
        scale = int(scale)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    way = cv2.INTER_NEAREST if scale >= 1 else cv2.INTER_AREA
    resized = cv2.resize(np.ascontiguousarray(picture), size, interpolation=way)
    left, top = (side_px - size[0]) // 2, (side_px - size[1]) // 2
    panel[top : top + size[1], left : left + size[0]] = resized
    return panel


@functools.cache
def _font() -> Any:
    return import_cv2("Drawing").FontFace("sans")
