"""Drawing from sets whose size differs from row to row, without a loop: the k-th of what is left, free poses.

b environments, n things to choose from, m objects, p poses
"""

import torch
from jaxtyping import Int
from torch import Tensor

from .floor_plan import STEPS, FloorPlan


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
