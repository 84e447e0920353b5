"""`Gaze`: how the expert turns where what is meant has to be seen, as whoever learns from it knows no more than that.

A shortest plan turns left or right towards a thing that is out of sight; nobody who looks can tell which. So the turn
is always to the left then, as of someone who looks around. No plan here, and no memory.

b environments, m objects
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ..camera.geometry import EYE_BACK, HALF_VIEW
from ..codes import LEFT, RIGHT
from ..state import RoomsState
from ..world import HEADINGS


class Gaze:
    """Tells what is in view.

    A target counts as seen where its middle is within the camera's field of view; that things hide each other is left
    out of account.

    Args:
        width: of the grid in cells.
        device: where the states' tensors are.
    """

    def __init__(self, width: int, device: torch.device | str = "cpu") -> None:
        self._width = width
        self._headings = torch.tensor([HEADINGS[heading] for heading in range(4)], device=device)  # 4 2

    def looks_around(
        self, state: RoomsState, actions: Int[Tensor, " b"], must_see: Bool[Tensor, " b"]
    ) -> Int[Tensor, " b"]:
        """Actions of a plan, with turns to the left in the place of those to the right where nothing is in view.

        A turn that would face a wrong object is not taken.

        Args:
            state: the truth.
            actions: of the plan.
            must_see: where the target has to be seen.
        """
        east, south = self._headings[(state.heading + 3) % 4].unbind(dim=1)
        beside = state.agent_cell + east + south * self._width
        is_wrong = ((state.object_cell == beside[:, None]) & state.is_wrong).any(dim=1)
        is_lost = must_see & ~self.sees(state) & ~is_wrong
        return torch.where(is_lost & (actions == RIGHT), LEFT, actions)

    def sees(self, state: RoomsState) -> Bool[Tensor, " b"]:
        """Whether the target is in view."""
        slot = state.is_target.long().argmax(dim=1, keepdim=True)
        target, agent = state.object_cell.gather(1, slot)[:, 0].clamp(min=0), state.agent_cell
        east = target % self._width - agent % self._width
        south = target // self._width - agent // self._width
        facing_east, facing_south = self._headings[state.heading].unbind(dim=1)
        ahead = east * facing_east + south * facing_south
        aside = (east * facing_south - south * facing_east).abs()
        return (ahead >= 1) & (aside <= (ahead + EYE_BACK) * HALF_VIEW)
