"""What surfaces look like: colour as a function of a point on a wall, a floor, a door or an object's flat picture.

No geometry of views is here, and only arithmetic that every machine rounds alike: no sines, no powers. Colours are
float64 0..255 with a last axis of 3. Painted things are a share of their paint plus a colour that does not depend on
it, so that two paintings, with black and with one, tell what any paint gives.
"""

import numpy as np

from ..codes import EAST, NORTH, SOUTH, WEST
from .geometry import FAR

PAINT = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [112, 39, 195], [255, 255, 0], [100, 100, 100]], np.float64)
"""The six colours, as minigrid has them (COLORS in minigrid/core/constants.py), in the order of codes.COLOURS."""
HAZE_COLOUR = np.array([30.0, 33.0, 42.0])
FLOOR = np.array([150.0, 126.0, 100.0])
CEILING = np.array([190.0, 190.0, 184.0])
WALLS = {
    EAST: np.array([206.0, 176.0, 128.0]),
    SOUTH: np.array([138.0, 166.0, 190.0]),
    WEST: np.array([176.0, 134.0, 126.0]),
    NORTH: np.array([150.0, 182.0, 146.0]),
}
"""Of a face that looks east, south, west, north."""
DARK = np.array([26.0, 22.0, 22.0])
LIGHT = np.array([245.0, 240.0, 225.0])

OBJECT_SIZE = 0.8
"""Width and height of the flat picture of an object, which stands on the floor and turns to the viewer."""
OBJECT_HEIGHTS = (OBJECT_SIZE, 0.4, 0.96)
"""Of the pictures of ordinary, short and tall objects (codes.HEIGHTS), which are all as wide."""
POST = 0.12
"""Thickness of the posts at the four corners of an open door's cell, and of the beams that join them."""
BEAM_HEIGHT = 0.86
"""Lower edge of those beams."""


def _mix(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """`second` where the share is 1, `first` where it is 0."""
    return first + (second - first) * np.asarray(share, np.float64)[..., None]


def _between(x: np.ndarray, low: float, high: float) -> np.ndarray:
    return (x >= low) & (x < high)


def hazed(colour: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Fades a colour with distance: not at all within 2 cells, by three tenths where the haze begins."""
    return _mix(colour, HAZE_COLOUR, np.clip((depth - 2.0) / (FAR - 2.0), 0.0, 1.0) * 0.3)


def wall(face: int, u: np.ndarray, height: np.ndarray) -> np.ndarray:
    """A wall's face.

    Args:
        face: the direction it looks to: EAST, SOUTH, WEST or NORTH.
        u: 0..1 from its left to its right edge, as seen by somebody in front of it.
        height: 0..1 from the floor.
    """
    course = np.floor(height * 5.0)
    if face == EAST:  # bricks
        shifted = u * 2.0 + 0.5 * (course % 2.0)
        joint = (height * 5.0 - course < 0.16) | (shifted - np.floor(shifted) < 0.1)
    elif face == SOUTH:  # boards, upright
        joint = u * 4.0 - np.floor(u * 4.0) < 0.16
    elif face == WEST:  # slabs, light and dark by turns
        joint = (np.floor(u * 2.0) + np.floor(height * 3.0)) % 2.0 == 0.0
    else:  # courses
        joint = height * 4.0 - np.floor(height * 4.0) < 0.2
    colour = WALLS[face] * (0.86 + 0.14 * height)[..., None]
    colour = colour * np.where(joint, 0.8, 1.0)[..., None]
    return _mix(colour, DARK, np.where(height < 0.05, 0.7, 0.0))


def floor(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The floor at a point, 0 at a cell's centre: tiles, the same from all four sides."""
    x, y = np.abs(x - np.floor(x + 0.5)), np.abs(y - np.floor(y + 0.5))
    edge = np.maximum(x, y)
    return FLOOR * np.where(edge > 0.46, 0.62, np.where(x + y < 0.3, 1.12, 1.0))[..., None]


def ceiling(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The ceiling at a point, 0 at a cell's centre."""
    x, y = np.abs(x - np.floor(x + 0.5)), np.abs(y - np.floor(y + 0.5))
    return CEILING * np.where(np.maximum(x, y) > 0.46, 0.88, 1.0)[..., None]


def door(paint: np.ndarray, is_locked: bool, u: np.ndarray, height: np.ndarray) -> np.ndarray:
    """The face of a closed or a locked door; a locked one is dark, with a painted cross and a lock."""
    rim = (u < 0.07) | (u >= 0.93) | (height >= 0.93)
    if is_locked:
        rising, falling = np.abs(u - height), np.abs(u + height - 1.0)
        colour = _mix(paint * 0.38, paint, (np.minimum(rising, falling) < 0.11) | rim)
        plate = (np.abs(u - 0.5) < 0.17) & (np.abs(height - 0.5) < 0.17)
        hole = (np.abs(u - 0.5) < 0.055) & (np.abs(height - 0.5) < 0.11)
        return _mix(_mix(colour, LIGHT, plate), DARK, hole)
    panel = _between(u, 0.2, 0.7) & (_between(height, 0.12, 0.44) | _between(height, 0.54, 0.84))
    colour = _mix(paint * 0.91, paint * 0.71, panel)
    colour = _mix(colour, paint * 0.35, rim)
    knob = (u - 0.82) * (u - 0.82) + (height - 0.48) * (height - 0.48) < 0.0049
    return _mix(colour, LIGHT, knob)


def door_frame(paint: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The posts and beams of an open door; `axis` 0 is a side that faces the viewer, 1 sideways, 2 from below."""
    return paint * np.array([1.0, 0.68, 0.51])[axis][..., None]


def ball(paint: np.ndarray, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A ball's picture: which points (u to the right, v up, -1..1) belong to it, and their colour."""
    radius = u * u + v * v
    lit = np.clip(0.5 * (v - 0.6 * u) + 0.75 * np.sqrt(np.maximum(0.0, 1.0 - radius)), 0.0, 1.0)
    colour = paint * (0.42 + 0.58 * lit)[..., None]
    shine = (u + 0.32) * (u + 0.32) + (v - 0.4) * (v - 0.4) < 0.03
    return (radius < 0.94) & (v > -0.87), _mix(colour, LIGHT, np.where(shine, 0.8, 0.0))


def box(paint: np.ndarray, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A box's picture: a chest with a lid, a seam and a clasp."""
    inside = (np.abs(u) < 0.96) & _between(v, -1.0, 0.72)
    colour = _mix(paint * 0.81, paint, v > 0.26)
    dark = (np.abs(u) > 0.82) | (v < -0.86) | (v > 0.58) | _between(v, 0.14, 0.28)
    colour = _mix(colour, paint * 0.31, dark)
    return inside, _mix(colour, LIGHT, (np.abs(u) < 0.14) & _between(v, 0.02, 0.36))


def key(paint: np.ndarray, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A key's picture: upright, a ring above a shaft with two teeth."""
    ring = u * u + (v - 0.42) * (v - 0.42)
    shaft = (np.abs(u) < 0.2) & _between(v, -1.0, 0.1)
    teeth = _between(u, 0.0, 0.72) & (_between(v, -0.98, -0.66) | _between(v, -0.46, -0.18))
    inside = ((ring < 0.34) | shaft | teeth) & (ring >= 0.05)
    return inside, paint * np.where(u < -0.04, 1.0, np.where(u < 0.3, 0.86, 0.68))[..., None]


PICTURES = (key, ball, box)
"""In the order of codes.KEY, BALL, BOX."""
