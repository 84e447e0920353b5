"""`Sight`: which cells an agent has in view, by the senses that it has, and where it would have to stand to see others.

b environments, c cells, p poses (heading, cell) in the order of field.py
"""

from collections.abc import Callable, Collection, Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..camera.camera import RoomsCamera
from ..levels.level import Level
from ..state import RoomsState
from ..view import SymbolicView
from .field import HEADING_ORDER

_DOOR_WEIGHT = 0.25
"""What a cell counts where a door may be, beside a cell to stand on."""


class Sight:
    """What is in view in rooms of one level.

    Args:
        level: for its walls.
        senses: of the agent: with "grid" it sees what the symbolic view shows, with "camera" what the camera does,
            with both the two together.
        camera_size: height and width of the camera's frames, in pixels.

    Attributes:
        is_blind: the agent has neither; nothing is ever in view.
        worth: what it is worth to see a cell: 1 for one to stand on, less where a door may be, else 0.
        shows: for each pose in an empty house without doors the cells that it shows, 0 or 1.
    """

    def __init__(self, level: Level, senses: Collection[str], camera_size: tuple[int, int]) -> None:
        height, width, device = level.height, level.width, level.device
        self._eyes: dict[str, Callable[[RoomsState], Bool[Tensor, "b c"]]] = {}
        if "grid" in senses:
            self._eyes["grid"] = SymbolicView(height, width, device).seen_cells
        if "camera" in senses:
            self._eyes["camera"] = RoomsCamera(height, width, *camera_size, objects=0, device=device).seen_cells
        self.is_blind = not self._eyes
        self.worth = _worth(level)
        self.shows = torch.zeros(0, device=device) if self.is_blind else self._shown_by_poses(level)

    def __call__(self, state: RoomsState, here: Mapping[str, Bool[Tensor, " b"]]) -> Bool[Tensor, "b c"]:
        """What is in view now; the cell that the agent stands on always is.

        Args:
            state: the rooms.
            here: sense -> where it is not gone; those that are not named always are here.
        """
        seen = torch.zeros_like(state.cells, dtype=torch.bool).scatter_(1, state.agent_cell[:, None], True)
        for name, eye in self._eyes.items():
            seen |= eye(state) & here[name][:, None] if name in here else eye(state)
        return seen

    def is_dark(self, here: Mapping[str, Bool[Tensor, " b"]], b: int) -> Bool[Tensor, " b"]:
        """Where nothing can be seen now."""
        dark = torch.ones(b, dtype=torch.bool, device=self.worth.device)
        for name in self._eyes:
            dark &= ~here[name] if name in here else False
        return dark

    def _shown_by_poses(self, level: Level) -> Float[Tensor, "p c"]:
        cells = level.height * level.width
        lives = torch.zeros(1, dtype=torch.int64, device=level.device)
        state = level.generate(lives, lives, lives).rows(lives.expand(4 * cells))
        state.cells[:] = level.walls
        state.agent_cell = torch.arange(cells, device=level.device).repeat(4)
        state.heading = torch.tensor(HEADING_ORDER, device=level.device).repeat_interleave(cells)
        return self(state, {}).to(torch.float32)


def _worth(level: Level) -> Float[Tensor, " c"]:
    """See `Sight.worth`."""
    worth = torch.zeros(level.height * level.width, device=level.device)
    if level.has_doors:
        worth[_beside(level, level.plan.room_cells.flatten())] = _DOOR_WEIGHT
    worth[level.plan.room_cells.flatten()] = 1.0
    return worth


def _beside(level: Level, cells: Int[Tensor, " n"]) -> Int[Tensor, " m"]:
    """The cells beside some others."""
    steps = torch.tensor([1, -1, level.width, -level.width], device=cells.device)
    return (cells[:, None] + steps).flatten().unique()
