"""Rooms as labelled data for the other examples: what is seen and heard in many rooms, and what is true there."""

from typing import NamedTuple

import gymnasium
import torch
from torch import Tensor

from senseweave.envs.rooms.codes import COLOURS, KEY, KINDS
from senseweave.perception import Spec

SIDES = ("left", "ahead", "right")


class Scenes(NamedTuple):
    """One moment in each of n rooms with m things; whole numbers (n, m) where nothing else is said."""

    spec: Spec
    observations: dict[str, Tensor]
    """`camera` and `audio`, (n, ...)."""
    kind: Tensor
    """0..2: key, ball, box."""
    colour: Tensor
    sound: Tensor
    ahead: Tensor
    """Cells from the agent, as is `right`."""
    right: Tensor
    is_seen: Tensor
    nearest: Tensor
    """Which of the things that are seen is the nearest, (n,)."""

    @property
    def side(self) -> Tensor:
        """Row of SIDES."""
        return torch.where(4 * self.right.abs() > self.ahead, self.right.sign(), 0) + 1

    def of_nearest(self, values: Tensor) -> Tensor:
        """The nearest thing's value, (n,)."""
        return values.gather(1, self.nearest[:, None])[:, 0]

    def captions(self) -> list[str]:
        """The nearest thing of each room in words."""
        parts = (self.of_nearest(part).tolist() for part in (self.colour, self.kind, self.ahead, self.side))
        return [
            f"a {COLOURS[colour]} {KINDS[KEY + kind]} {ahead} cells away {SIDES[side]}"
            for colour, kind, ahead, side in zip(*parts, strict=True)
        ]


def scenes(rooms: int, seed: int, *, colours_sound: bool = False, size: str = "small") -> Scenes:
    """Looks around in so many rooms, and keeps those (about a third) in which something is seen.

    Args:
        rooms: how many are made.
        seed: other seeds are other rooms.
        colours_sound: whether things of one colour make the same sound, and only the nearest that is seen makes any;
            otherwise all make some sound, which has nothing to do with their looks.
        size: of Seek's rooms.
    """
    envs = gymnasium.make_vec("senseweave/Seek-v0", num_envs=rooms, device="cpu", size=size, senses=("camera", "audio"))
    envs.reset(seed=seed)
    state, width = envs.simulation.state, envs.simulation.level.width
    x, y = state.object_cell % width, state.object_cell // width
    x, y = x - (state.agent_cell % width)[:, None], y - (state.agent_cell // width)[:, None]
    east = torch.tensor([1, 0, -1, 0])[state.heading][:, None]
    south = torch.tensor([0, 1, 0, -1])[state.heading][:, None]
    ahead, right = x * east + y * south, y * east - x * south
    is_seen = (ahead > 0) & (right.abs() < 0.577 * (ahead + 0.45))  # within 60 degrees of an eye 0.45 cells behind
    nearest = torch.where(is_seen, ahead * 10 + right.abs(), 1000).argmin(dim=1)
    if colours_sound:
        state.object_sound.copy_(state.object_colour)
        others = torch.arange(state.object_cell.shape[1]) != nearest[:, None]
        state.object_sound[others] = -1  # silent
    observations = envs.simulation.observe()
    del observations["present"]
    kept = is_seen.any(dim=1)
    return Scenes(
        envs.senses,
        {name: reading[kept] for name, reading in observations.items()},
        *(part[kept] for part in (state.object_kind - KEY, state.object_colour, state.object_sound)),
        *(part[kept] for part in (ahead, right, is_seen, nearest)),
    )
