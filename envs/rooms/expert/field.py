"""Shortest ways through a batch of rooms: steps from every pose to the nearest goal, found by relaxing whole arrays.

Tables and arithmetic only: what a goal is, and what is done there, is decided in planner.py. Environments are the last
dimension, so that a step to a neighbouring cell is a shift of contiguous memory.

b environments, c cells (height * width), a 2 axes (along x, along y), s 2 senses of an axis (growing, falling)
"""

import torch
from jaxtyping import Bool, Int, Int16
from torch import Tensor

from ..codes import EAST, NORTH, SOUTH, WEST

FAR = 8192
"""More steps than any way has; a sum of three such still fits int16."""

_CHECK_EVERY = 4  # relaxations between two looks at whether anything still changes
HEADING_ORDER = (
    EAST,
    WEST,
    SOUTH,
    NORTH,
)  # a * 2 + s -> heading: turns then lead to the other axis, whatever the sense
_RING = ((-1, -1), (0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0))  # x, y of the neighbours, in a circle


class PoseField:
    """Distances over poses (heading, cell) of rooms of one size.

    Args:
        height: of the grid in cells, the outer walls included.
        width: likewise; rows wrap into each other here, which the outer walls keep from mattering.
        device: where the tensors are.
    """

    def __init__(self, height: int, width: int, device: torch.device | str = "cpu") -> None:
        self.cells = height * width
        self.steps = (1, -1, width, -width)  # cells to go, by a * 2 + s
        of_heading = [HEADING_ORDER.index(heading) for heading in range(4)]
        turned = [[HEADING_ORDER.index((heading + turn) % 4) for heading in range(4)] for turn in (0, 0, -1, 1)]
        self._row = torch.tensor(turned, device=device) * self.cells  # here, ahead, left, right; by heading
        self.step = torch.tensor([self.steps[of_heading[heading]] for heading in range(4)], device=device)
        self._ring = tuple(y * width + x for x, y in _RING)
        self._keeps_ways = torch.tensor([_is_simple(pattern) for pattern in range(256)], device=device)

    def around(self, cell: Int[Tensor, " b"], heading: Int[Tensor, " b"]) -> Int[Tensor, "4 b"]:
        """Rows of a field seen as (poses, b): the agent's own pose, then one forward, left turn, right turn away."""
        poses = self._row.index_select(1, heading) + cell
        poses[1] += self.step.index_select(0, heading)
        return poses

    def ahead(self, values: Int16[Tensor, "c b"]) -> Int16[Tensor, "2 2 c b"]:
        """What the cell in front of every pose holds; FAR in front of the grid's end."""
        out = values.new_full((4, *values.shape), FAR)
        for heading, step in enumerate(self.steps):
            here, there = _shifted(step)
            out[heading, here] = values[there]
        return out.view(2, 2, *values.shape)

    def advanced(self, field: Int16[Tensor, "2 2 c b"]) -> Int16[Tensor, "2 2 c b"]:
        """What a field holds one step forward of every pose; FAR beyond the grid's end."""
        lines, out = field.view(4, self.cells, -1), torch.full_like(field, FAR)
        for heading, step in enumerate(self.steps):
            here, there = _shifted(step)
            out.view(4, self.cells, -1)[heading, here] = lines[heading, there]
        return out

    def is_beside(self, mask: Bool[Tensor, "c b"]) -> Bool[Tensor, "c b"]:
        """Cells with one of the mask's cells among their four neighbours."""
        out = torch.zeros_like(mask)
        for step in self.steps:
            here, there = _shifted(step)
            out[here] |= mask[there]
        return out

    def keeps_ways(self, is_free: Bool[Tensor, "c b"]) -> Bool[Tensor, "c b"]:
        """Whether filling a cell leaves all ways among its eight neighbours open (a simple point of the free cells)."""
        pattern = torch.zeros_like(is_free, dtype=torch.uint8)
        for bit, step in enumerate(self._ring):
            here, there = _shifted(step)
            pattern[here] |= is_free[there].to(torch.uint8) << bit
        return self._keeps_ways.take(pattern.long())

    def solve(
        self,
        goals: Int16[Tensor, "2 2 c b"],
        enter: Int16[Tensor, "2 2 c b"],
        turn: Int16[Tensor, "2 2 c b"],
        start: Int[Tensor, " b"] | None = None,
    ) -> Int16[Tensor, "2 2 c b"]:
        """Steps from every pose to the end, by Bellman and Ford's relaxation of all poses at once.

        Args:
            goals: what ending in each pose costs, FAR where it is no end.
            enter: what it costs to come into this pose with a step forward, at least 1.
            turn: what it costs to come into this pose with a turn, at least 1.
            start: row of the pose in a field of (poses, b) whose steps are wanted. Given, other poses may keep larger
                values than theirs, but not those on the shortest ways from the start.

        Returns:
            Steps, FAR where no way leads to an end.
        """
        field = goals.clone()
        lines = field.view(4, self.cells, -1)
        moved = torch.empty_like(field)
        moved_lines = moved.view(4, self.cells, -1)
        before = torch.empty_like(field)
        for done in range(1, FAR):
            looks = done % _CHECK_EVERY == 0
            if looks:
                before.copy_(field)
            torch.add(field, turn, out=moved)
            nearest = torch.minimum(moved[:, 0], moved[:, 1]).flip(0)
            torch.minimum(field, nearest[:, None], out=field)
            torch.add(field, enter, out=moved)
            for heading, step in enumerate(self.steps):
                here, there = _shifted(step)
                nearer = lines[heading, here]
                torch.minimum(nearer, moved_lines[heading, there], out=nearer)
            if looks:
                # Every move costs at least 1, so ways of up to `done` steps have been seen by now.
                if start is not None and bool((field.view(4 * self.cells, -1).gather(0, start[None]) <= done).all()):
                    break
                if torch.equal(before, field):
                    break
        return field


def _shifted(step: int) -> tuple[slice, slice]:
    """Cells that have one so many cells further on, and those cells."""
    if step > 0:
        return slice(None, -step), slice(step, None)
    return slice(-step, None), slice(None, step)


def _is_simple(pattern: int) -> bool:
    """Whether the free ones of eight neighbours in a circle hang together without their middle."""
    free = [bool(pattern >> bit & 1) for bit in range(8)]
    if all(free):
        return True
    # Pieces of the circle with a side neighbour (odd places) in them; corners alone lead nowhere.
    first = free.index(False)
    pieces, has_side = 0, False
    for place in range(first + 1, first + 9):
        if free[place % 8]:
            has_side |= place % 2 == 1
        else:
            pieces += has_side
            has_side = False
    return pieces <= 1
