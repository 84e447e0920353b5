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
        # Rows of up to 31 cells do with half the memory; the highest bit is a wall's in either case.
        self._bit = 1 << cells if self._is_one else (1 << plan.x).to(torch.int32 if plan.width < 32 else torch.int64)
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
        flood = self._flood_one if self._is_one else self._flood_rows
        return ((goals & ~flood(self.of(agent_cell[:, None]), free)) == 0).all(dim=1)

    def _flood_one(self, reached: Int[Tensor, "b 1"], free: Int[Tensor, "b 1"]) -> Int[Tensor, "b 1"]:
        """All that can be reached, and what is beside it."""
        while True:
            before = reached
            for _ in range(_STEPS_BETWEEN_LOOKS):
                across = (reached << 1).bitwise_or_(reached >> 1).bitwise_and_(free).bitwise_or_(reached)
                along = (across << self._stride).bitwise_or_(across >> self._stride)
                reached = along.bitwise_and_(free).bitwise_or_(across)
            if torch.equal(before, reached):
                along = (reached << self._stride).bitwise_or_(reached >> self._stride)
                return along.bitwise_or_(reached << 1).bitwise_or_(reached >> 1).bitwise_or_(reached)

    def _flood_rows(self, start: Int[Tensor, "b h"], free: Int[Tensor, "b h"]) -> Int[Tensor, "b h"]:
        """The same, in a buffer with an empty row at each end, so that the rows above and below are views of it."""
        buffer = start.new_zeros(len(start), self._rows + 2)
        above, reached, below = buffer[:, :-2], buffer[:, 1:-1], buffer[:, 2:]
        reached.copy_(start)
        while True:
            before = reached.clone()
            for _ in range(_STEPS_BETWEEN_LOOKS):
                reached.bitwise_or_((reached << 1).bitwise_or_(reached >> 1).bitwise_and_(free))
                reached.bitwise_or_((above | below).bitwise_and_(free))
            if torch.equal(before, reached):
                return (above | below).bitwise_or_(reached << 1).bitwise_or_(reached >> 1).bitwise_or_(reached)
