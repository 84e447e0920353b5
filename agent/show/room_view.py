"""`RoomView`: a room of ours from above through an episode: what sounds is named, and the agent leaves a trail."""

from typing import TYPE_CHECKING

import numpy as np

from ...envs.rooms.codes import SILENT, SOUNDS
from ...envs.rooms.render.canvas import INK, PAPER, Picture, measure, write
from ...envs.rooms.render.top_view import TopView

if TYPE_CHECKING:
    from ...envs.rooms.simulation import Simulation

_TEXT_PX = 15
_MIN_TILE_PX = 30
"""In larger rooms, whose cells are smaller, names would hide things."""


class RoomView:
    """Draws the first room of a simulation.

    Args:
        simulation: whose state is drawn.
        side_px: about how large the pictures shall be.
    """

    def __init__(self, simulation: "Simulation", side_px: int) -> None:
        self._simulation = simulation
        height, width = simulation.level.height, simulation.level.width
        self._view = TopView(height, width, tile=max(8, side_px // max(height, width)))
        self._trail: list[int] = []

    def start(self) -> None:
        """Forgets the trail: a new episode."""
        self._trail.clear()

    def follow(self) -> None:
        """Notes where the agent is, for the trail."""
        self._trail.append(int(self._simulation.state.agent_cell[0]))

    def draw(self, *, sees: bool = True) -> Picture:
        """The room now; what the agent can see is lit, if it `sees`."""
        state = self._simulation.state
        self.follow()
        picture = self._view.draw(state, shows_view=sees, trail=self._trail)
        if self._view.tile >= _MIN_TILE_PX and "audio" in self._simulation.spec:
            for cell, sound in zip(state.object_cell[0].tolist(), state.object_sound[0].tolist(), strict=True):
                if cell >= 0 and sound != SILENT:
                    self._label(picture, cell, SOUNDS[sound])
        return picture

    def _label(self, picture: Picture, cell: int, text: str) -> None:
        """Writes below a cell, or above it where the agent is below, on a pale ground, inside the picture."""
        (y, x), (agent_y, agent_x) = (divmod(place, self._view.width) for place in (cell, self._trail[-1]))
        width, tile = measure(text, _TEXT_PX), self._view.tile
        is_agent_below = agent_y == y + 1 and abs(agent_x - x) <= 1
        middle, below = (x + 0.5) * tile, round((y + 0.96) * tile)
        top = round((y + 0.04) * tile) - _TEXT_PX if is_agent_below else below
        left = int(min(max(2, middle - width / 2), picture.shape[1] - width - 2))
        ground = picture[top : top + _TEXT_PX + 2, left - 2 : left + width + 2]
        ground[:] = np.rint(0.15 * ground + 0.85 * np.array(PAPER)).astype(np.uint8)
        write(picture, text, left, top + _TEXT_PX - 2, INK, _TEXT_PX)


def view_of(unwrapped: object, side_px: int) -> RoomView | None:
    """The view of an environment's room; None for an environment that is none of ours."""
    simulation = getattr(unwrapped, "simulation", None)
    return None if simulation is None else RoomView(simulation, side_px)
