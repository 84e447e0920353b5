"""`Reach`: whether an agent could come beside everything if all doors opened and nothing were moved.

minigrid draws a world again when this does not hold. Sets of cells are bits, and the flood from the agent's cell grows
them all at once: a world of at most 64 cells is one number, a larger one is one number for each of its rows.

b environments, m objects, h rows of the world (1 where it is one number)

Source: minigrid 3, minigrid/envs/babyai/core/roomgrid_level.py (check_objs_reachable).
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from .floor_plan import FloorPlan

_STEPS_BETWEEN_LOOKS = 4


class Reach:
    """The flood in worlds of one floor plan.

    Args:
        plan: rooms and walls; at most 62 cells wide.
    """

    def __init__(self, plan: FloorPlan) -> None:
        cells = torch.arange(plan.width * plan.height, device=plan.walls.device)
        self._is_one = len(cells) <= 64
        self._stride = plan.width
        self._rows = 1 if self._is_one else plan.height
        self._row = torch.zeros_like(cells) if self._is_one else plan.y
        self._bit = 1 << (cells if self._is_one else plan.x)
        self._free = self.of(plan.room_cells.flatten()[None])

    def of(self, cells: Int[Tensor, "b m"], are_there: Bool[Tensor, "b m"] | None = None) -> Int[Tensor, "b h"]:
        """Sets of cells as bits; none may come twice in a set.

        Args:
            cells: cells of each set.
            are_there: False leaves a cell out.
        """
        bits = self._bit[cells]
        if are_there is not None:
            bits = bits * are_there
        if self._is_one:
            return bits.sum(dim=1, keepdim=True)
        return bits.new_zeros(len(cells), self._rows).scatter_add_(1, self._row[cells], bits)

    def reaches(
        self, agent_cell: Int[Tensor, " b"], objects: Int[Tensor, "b h"], doors: Int[Tensor, "b h"] | None = None
    ) -> Bool[Tensor, " b"]:
        """Whether the agent can come beside every object and every door.

        Args:
            agent_cell: where it starts.
            objects: what blocks the way, as `of` gives it.
            doors: what does not, though it stands in a wall.
        """
        free, goals = self._free ^ objects, objects
        if doors is not None:
            free, goals = free | doors, objects | doors
        reached = self.of(agent_cell[:, None])
        while True:
            before = reached
            for _ in range(_STEPS_BETWEEN_LOOKS):
                across = (reached << 1).bitwise_or_(reached >> 1).bitwise_and_(free).bitwise_or_(reached)
                reached = self._up_and_down(across).bitwise_and_(free).bitwise_or_(across)
            if torch.equal(before, reached):
                break
        beside = (reached << 1).bitwise_or_(reached >> 1).bitwise_or_(self._up_and_down(reached)).bitwise_or_(reached)
        return ((goals & ~beside) == 0).all(dim=1)

    def _up_and_down(self, rows: Int[Tensor, "b h"]) -> Int[Tensor, "b h"]:
        """The neighbours above and below."""
        if self._is_one:
            return (rows << self._stride).bitwise_or_(rows >> self._stride)
        moved = torch.zeros_like(rows)
        moved[:, 1:] = rows[:, :-1]
        moved[:, :-1].bitwise_or_(rows[:, 1:])
        return moved
