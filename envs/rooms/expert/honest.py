"""`HonestExpert`: plays well by what has been seen since the episode began, and looks for what has not.

Whoever imitates it can know what it knows. It plans as `Planner` does, but on its belief (belief.py); where what the
mission speaks of was not found yet, or no way to it is known, it goes and looks. The house's plan, square rooms with at
most one door in a wall, it knows, as everybody does who has been there before.

b environments
"""

from collections.abc import Collection, Mapping

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ..levels.level import Level
from ..state import RoomsState
from .belief import Belief
from .planner import Planner


class HonestExpert:
    """Acts on its belief. It has a memory, which `belief` holds: ask it at every step, or it does not see what was.

    Args:
        level: of the rooms.
        planner: for rooms of its size.
        senses: of the agent; without a camera and a symbolic view it knows everything, as nobody could see anything.
        camera_size: height and width of the camera's frames, in pixels.

    Attributes:
        belief: what it has found out.
    """

    def __init__(self, level: Level, planner: Planner, senses: Collection[str], camera_size: tuple[int, int]) -> None:
        self.belief = Belief(level, senses, camera_size)
        self._planner = planner

    def act(self, state: RoomsState, here: Mapping[str, Bool[Tensor, " b"]]) -> Int[Tensor, " b"]:
        """The next action in each environment; "done" where there is no plan.

        Where nothing can be seen now, as every such sense is gone, it knows everything: whoever imitates it has to
        guess there, and guesses sooner for it.

        Args:
            state: the truth, of which it uses what it has seen.
            here: sense -> where it is not gone; those that are not named always are here.
        """
        is_dark = self.belief.sight.is_dark(here, len(state))
        if bool(is_dark.all()):
            return self._planner.act(state)
        self.belief.look(state, here)
        actions = self._search(state)
        rows = is_dark.nonzero()[:, 0]
        if len(rows):
            actions[rows] = self._planner.act(state.rows(rows))
        return actions

    def _search(self, state: RoomsState) -> Int[Tensor, " b"]:
        """The plan on the belief."""
        believed = self.belief.believed(state)
        looks = self.belief.looks(state)
        must_look = self.belief.must_look(believed)
        actions, has_way = self._planner.ways(believed, looks, must_look)
        rows = (~has_way & ~must_look).nonzero()[:, 0]
        if len(rows):  # found, but no way to it is known: there may be another door
            again, found = self._planner.ways(believed.rows(rows), looks[..., rows], torch.ones_like(rows) > 0)
            actions[rows], has_way[rows] = torch.where(found, again, actions[rows]), found
        return self._last_resort(state, believed, actions, has_way)

    def _last_resort(
        self, state: RoomsState, believed: RoomsState, actions: Int[Tensor, " b"], has_way: Bool[Tensor, " b"]
    ) -> Int[Tensor, " b"]:
        """Puts things aside that block every known way; where even that does not help, somebody tells the way."""
        rows = (~has_way).nonzero()[:, 0]
        if len(rows):
            actions[rows], found = self._planner.clearing(believed.rows(rows))
            rows = rows[~found]
        if len(rows):
            actions[rows] = self._planner.act(state.rows(rows))
        return actions
