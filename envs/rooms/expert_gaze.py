"""`Gaze`: how the expert walks where what is meant has to be seen, as whoever learns from it knows no more than that.

A shortest plan turns left or right towards a thing that is out of sight; nobody who looks can tell which. With a gaze,
equally good actions are taken in an order that keeps the target in view, and where it is out of sight and a turn is
due, that turn is always to the left, as of someone who looks around. No plan here, and no memory.

b environments, m objects
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from .camera.geometry import EYE_BACK, HALF_VIEW
from .codes import LEFT, RIGHT
from .state import RoomsState
from .world import HEADINGS

FINISH, AHEAD, TO_THE_LEFT, TO_THE_RIGHT = range(4)
"""The choices of a plan, in the order in which equally good ones are taken."""


class Glance(NamedTuple):
    """What a gaze says of a batch now."""

    order: Int[Tensor, "4 b"]
    """Of each choice its rank among equally good ones, the lowest first."""
    is_lost: Bool[Tensor, " b"]
    """The target has to be seen and is not, and nothing wrong stands to the left."""

    def looks_around(self, actions: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
        """The actions, with turns to the left in the place of those to the right where the target is out of sight."""
        return torch.where(self.is_lost & (actions == RIGHT), LEFT, actions)


class Gaze:
    """Tells what comes into view.

    A target counts as seen where its middle is within the camera's field of view; that things hide each other is left
    out of account.

    Args:
        width: of the grid in cells.
        device: where the states' tensors are.
    """

    def __init__(self, width: int, device: torch.device | str = "cpu") -> None:
        self._width = width
        self._steps = torch.tensor(
            [dx + dy * width for dx, dy in (HEADINGS[heading] for heading in range(4))], device=device
        )

    def glance(self, state: RoomsState, must_see: Bool[Tensor, " b"]) -> Glance:
        """What is preferred now.

        Args:
            state: the truth.
            must_see: where the target has to be seen; elsewhere the order is the usual one.
        """
        sees = self.sees(state)
        now, left, right = (sees.gather(0, ((state.heading + turn) % 4)[None])[0] for turn in (0, 3, 1))
        is_blind = must_see & ~now
        usual = torch.arange(1, 5, device=state.device)[:, None].expand(4, len(state)).clone()  # 0 is before all
        usual[TO_THE_LEFT].masked_fill_(is_blind & left, usual[FINISH, 0])
        usual[TO_THE_RIGHT].masked_fill_(is_blind & right, usual[FINISH, 0])
        usual[FINISH] = 0
        beside = state.agent_cell + self._steps.take((state.heading + 3) % 4)
        is_wrong = ((state.object_cell == beside[:, None]) & state.is_wrong).any(dim=1)
        return Glance(usual, is_blind & ~is_wrong)

    def sees(self, state: RoomsState) -> Bool[Tensor, "4 b"]:
        """For each heading, whether the target would be in view from where the agent stands."""
        slot = state.is_target.long().argmax(dim=1, keepdim=True)
        target, agent = state.object_cell.gather(1, slot)[:, 0].clamp(min=0), state.agent_cell
        east = target % self._width - agent % self._width
        south = target // self._width - agent // self._width
        toward = torch.stack([east, south])  # 2 b
        headings = torch.tensor([HEADINGS[heading] for heading in range(4)], device=state.device)  # 4 2
        ahead = headings @ toward
        aside = (headings.flip(1) @ toward).abs()
        return (ahead >= 1) & (aside <= (ahead + EYE_BACK) * HALF_VIEW)
