"""What one sense gave, as a picture: as its kind draws it, or better where that takes a colour, OpenCV or minigrid."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...envs.rooms.render.canvas import Colour, Picture
from ...perception.spec import ByKind, Grid, Kind, Microphone, Vector
from .hearing import draw_hearing
from .numbers import draw_numbers

Painter = Callable[[Any, np.ndarray, int, Colour], Picture | None]
"""Makes a picture of a kind's reading, for a panel of so many pixels a side, in a colour."""


def draw_reading(kind: Kind, reading: np.ndarray, side_px: int, colour: Colour) -> Picture | None:
    """A picture of a reading.

    Args:
        kind: of the sense.
        reading: without a batch axis.
        side_px: of the panel that it is for; the picture may be smaller or larger.
        colour: of the sense, for what has no colours of its own.

    Returns:
        The picture; None where there is nothing to see, as in a text.

    Raises:
        MissingExtraError: it takes cv2, which cannot be imported.
    """
    painter = PAINTERS.nearest(kind, unless_own="draw")
    return kind.draw(reading) if painter is None else painter(kind, reading, side_px, colour)


def is_minigrid(kind: Kind) -> bool:
    """Whether the cells are minigrid's, whose first axis runs from left to right and whose second runs down."""
    try:
        from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
    except ImportError:
        return False
    known = (max(OBJECT_TO_IDX.values()) + 1, max(COLOR_TO_IDX.values()) + 1)
    return isinstance(kind, Grid) and len(kind.sizes) == 3 and kind.sizes[:2] == known


def _draw_cells(kind: Grid, cells: np.ndarray, side_px: int, colour: Colour) -> Picture | None:
    """Minigrid's own tiles where the cells are minigrid's."""
    if not is_minigrid(kind):
        return kind.draw(cells)
    from minigrid.core.grid import Grid as MiniGridGrid

    grid, is_seen = MiniGridGrid.decode(cells)
    agent = (kind.height // 2, kind.width - 1)
    return grid.render(32, agent_pos=agent, agent_dir=3, highlight_mask=is_seen)


def _draw_sound(kind: Microphone, sound: np.ndarray, side_px: int, colour: Colour) -> Picture:
    return draw_hearing(sound, kind.sample_rate_hz, side_px, colour)


def _draw_vector(kind: Vector, numbers: np.ndarray, side_px: int, colour: Colour) -> Picture:
    return draw_numbers(numbers, side_px, colour)


PAINTERS: ByKind[Painter] = ByKind("painter", {"Grid": _draw_cells, "Microphone": _draw_sound, "Vector": _draw_vector})
"""Kind -> what draws it better than the kind itself can with numpy alone."""
