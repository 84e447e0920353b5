"""Drawing from sets whose size differs from row to row, without a loop: the k-th of what is left, free poses and cells.

b environments, n things to choose from, m objects, p poses, k cells to stand on
"""

import torch
from jaxtyping import Int
from torch import Tensor

from .floor_plan import STEPS, FloorPlan
from .level import FREE_BITS


class Scatter:
    """Places in one room for the agent and for things that can all be reached without facing another.

    Things keep a distance of two cells, also diagonally, and none is within two cells straight ahead of, behind or
    beside the agent's start. With one free cell there, things two cells away on every open side would shut it in.

    Args:
        plan: of one room. The agent and each thing take up to nine of its cells.
        objects: how many things, m.

    Attributes:
        draws: how many random numbers it takes beside the agent's: one for each cell, k.
    """

    def __init__(self, plan: FloorPlan, objects: int) -> None:
        self._cells = plan.room_cells[0]
        self._objects = objects
        self.draws = len(self._cells)
        apart = plan.nearness(self._cells, chebyshev=True)
        is_straight = plan.nearness(self._cells, chebyshev=False) == apart
        self._beside_agent = torch.where(is_straight & (apart <= 2), FREE_BITS + 1, 0)
        self._beside_object = torch.where(apart < 2, FREE_BITS + 1, 0)

    def place(
        self, agent_bits: Int[Tensor, " b"], bits: Int[Tensor, "b k"]
    ) -> tuple[Int[Tensor, " b"], Int[Tensor, "b m"]]:
        """The agent's and the things' cells, one after the other where it is still allowed."""
        start = agent_bits % len(self._cells)
        ranks = (bits >> 1) | self._beside_agent[start]
        places = []
        for number in range(self._objects):
            if number:
                ranks |= self._beside_object[places[-1]]
            places.append(ranks.argmin(dim=1))
        return self._cells[start], self._cells[torch.stack(places, dim=1)]


def kth(weights: Int[Tensor, "b n"], bits: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
    """A random column of each row, as likely as its (whole) weight says; the sums must not be 0."""
    total = weights.cumsum(dim=1)
    return (total <= (bits % total[:, -1])[:, None]).sum(dim=1)


def free_pose(
    plan: FloorPlan, poses: Int[Tensor, " p"], taken: Int[Tensor, "b m"], bits: Int[Tensor, " b"]
) -> Int[Tensor, " b"]:
    """A random one of `poses` that neither stands on a taken cell nor looks at one that is next to it."""
    is_taken = torch.zeros((len(taken), plan.width * plan.height), dtype=torch.bool, device=taken.device)
    is_taken.scatter_(1, taken, True)
    is_free = ~(is_taken[:, poses // 4] | is_taken[:, plan.front[poses]])
    return poses[kth(is_free.to(torch.int64), bits)]


def sides(
    plan: FloorPlan, agent_cell: Int[Tensor, " b"], heading: Int[Tensor, " b"], cells: Int[Tensor, "b m"]
) -> Int[Tensor, "b m"]:
    """Where cells are from the agent's point of view: 3 * (1 + left..right as -1..1) + (1 + behind..front as -1..1)."""
    dx = plan.x[cells] - plan.x[agent_cell][:, None]
    dy = plan.y[cells] - plan.y[agent_cell][:, None]
    step = torch.tensor(STEPS, device=cells.device)[heading]
    step_x, step_y = step[:, :1], step[:, 1:]
    along = (dx * step_x + dy * step_y).sign()
    across = (dy * step_x - dx * step_y).sign()
    return across * 3 + along + 4
