"""`RoomRenderer`: draws rooms for `render` from what their agents sensed, and remembers what was heard lately.

Between the simulation and the drawing (dashboard.py lays the parts out). It draws senses as the agent has them: an
absent one is black or silent, and an agent without a camera is shown its symbolic view, if it has one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from ..codes import COLOURS, DOOR, EMPTY, FLOOR, ORDINARY, SHORT, TALL, UNSEEN, WALL
from ..levels.level import Level
from ..state import RoomsState
from .canvas import Picture
from .dashboard import Dashboard

REMEMBERED_STEPS = 20
"""As many blocks of 0.1 s as a picture shows."""

_COLOURS_RGB = dict(
    zip(
        COLOURS,
        ((255, 0, 0), (0, 255, 0), (0, 0, 255), (112, 39, 195), (255, 255, 0), (150, 150, 150)),
        strict=True,
    )
)
_MARGINS = {ORDINARY: 2, SHORT: 3, TALL: 1}
_PLAIN_RGB = {UNSEEN: (0, 0, 0), EMPTY: (60, 60, 60), FLOOR: (60, 60, 60), WALL: (110, 110, 110)}


class RoomRenderer:
    """Draws the rooms of one level.

    Args:
        level: for its size and its texts.
        heard: blocks of sound of one room's latest steps, as `heard` of another renderer has them.

    Attributes:
        heard: the same.
    """

    def __init__(self, level: Level, heard: Sequence[NDArray[np.float32]] = ()) -> None:
        self._dashboard = Dashboard(level.height, level.width)
        self._instructions = level.missions
        self.heard = list(heard)

    def remember(self, observation: Mapping[str, NDArray[Any]], *, is_first: bool) -> None:
        """Keeps the sound of one room's observation; `is_first` in its episode forgets what was before."""
        if is_first:
            self.heard.clear()
        if "audio" in observation:
            self.heard = [*self.heard[1 - REMEMBERED_STEPS :], observation["audio"].copy()]

    def draw(self, state: RoomsState, row: int, observation: Mapping[str, NDArray[Any]]) -> Picture:
        """One room.

        Args:
            state: the batch.
            row: which of its rooms.
            observation: what its agent senses now; its sound is drawn where nothing was remembered.
        """
        heard = self.heard or ([observation["audio"]] if "audio" in observation else [])
        frame = observation.get("camera")
        if frame is None and "grid" in observation:
            frame = symbols_in_colour(observation["grid"])
        return self._dashboard.draw(
            state,
            row,
            frame=frame,
            sound=np.concatenate(heard, axis=1) if heard else None,
            instruction=self._instructions[int(state.mission[row])],
        )


def symbols_in_colour(view: UInt8[np.ndarray, "columns rows 3"]) -> UInt8[np.ndarray, "size size 3"]:
    """The symbolic view as squares in the colours of their things, far cells on top.

    Keys, balls and boxes are smaller than their cells, short ones more so than tall ones.

    Args:
        view: as minigrid has it, the column first.
    """
    columns, rows, _ = view.shape
    side = 8
    picture = np.zeros((rows * side, columns * side, 3), np.uint8)
    for column in range(columns):
        for row in range(rows):
            kind, colour, state = (int(part) for part in view[column, row])
            cell = picture[row * side : (row + 1) * side, column * side : (column + 1) * side]
            cell[:] = _PLAIN_RGB.get(kind, _PLAIN_RGB[EMPTY])
            if kind not in _PLAIN_RGB:
                margin = 0 if kind == DOOR else _MARGINS[state]
                cell[margin : side - margin, margin : side - margin] = _COLOURS_RGB[COLOURS[colour]]
    return picture
