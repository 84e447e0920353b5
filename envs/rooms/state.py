"""`RoomsState`: everything that is true in a batch of rooms at one moment, as tensors with one row per environment.

Data only. Levels make rows of it, the world changes it in place, and the senses read it; nothing else is kept anywhere.

b environments, c cells (height * width, row by row from the top left), m objects
"""

import dataclasses
from typing import Self

import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from .codes import COLOURS, EMPTY_CODE, SIZES

CARRIED = -1
"""In `object_cell`: the agent holds it."""
GONE = -2
"""In `object_cell`: a slot that was never used, or an object that is no more (a box that was opened)."""

GO_TO, PICK_UP, PUT_NEXT, OPEN_DOOR = range(4)
"""What `verb` says has to be done with the targets."""


@dataclasses.dataclass
class RoomsState:
    """A batch of rooms. All tensors are on one device; int64 where no other type is named.

    Attributes:
        cells: code of each cell's content (see codes.py), the objects and doors included, the agent not.
        agent_cell: where the agent is.
        heading: 0..3, see codes.py.
        previous_pose: agent_cell * 4 + heading before the last action; the present pose at the start of an episode.
        carried: slot of the object that the agent holds, or -1.
        object_kind: DOOR, KEY, BALL or BOX of each slot.
        object_colour: its colour.
        object_sound: index into codes.SOUNDS, or SILENT.
        object_phase: where in its sound's loop it begins, in steps, 0..9.
        object_cell: where it is, or CARRIED, or GONE.
        mission: row of the level's table of missions (text and tokens).
        verb: GO_TO, PICK_UP, PUT_NEXT or OPEN_DOOR.
        is_target: objects that the instruction means.
        is_second: objects that the target has to be put next to; all False for other verbs.
        is_wrong: objects that end the episode when they are faced; all False in BabyAI's own levels.
        voice: who speaks, where the instruction is spoken.
        step_count: actions done in this episode.
        max_steps: actions after which it is truncated.
        seed: as given to reset.
        index: number of the environment under that seed.
        episode: number of the episode under that seed, from 0.
    """

    cells: UInt8[Tensor, "b c"]
    agent_cell: Int[Tensor, " b"]
    heading: Int[Tensor, " b"]
    previous_pose: Int[Tensor, " b"]
    carried: Int[Tensor, " b"]
    object_kind: Int[Tensor, "b m"]
    object_colour: Int[Tensor, "b m"]
    object_sound: Int[Tensor, "b m"]
    object_phase: Int[Tensor, "b m"]
    object_cell: Int[Tensor, "b m"]
    mission: Int[Tensor, " b"]
    verb: Int[Tensor, " b"]
    is_target: Bool[Tensor, "b m"]
    is_second: Bool[Tensor, "b m"]
    is_wrong: Bool[Tensor, "b m"]
    voice: Int[Tensor, " b"]
    step_count: Int[Tensor, " b"]
    max_steps: Int[Tensor, " b"]
    seed: Int[Tensor, " b"]
    index: Int[Tensor, " b"]
    episode: Int[Tensor, " b"]

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The tensors' names."""
        return tuple(field.name for field in dataclasses.fields(cls))

    def __len__(self) -> int:
        return len(self.agent_cell)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.agent_cell.device

    @property
    def pose(self) -> Int[Tensor, " b"]:
        """agent_cell * 4 + heading: the row of every table that is baked per pose."""
        return self.agent_cell * 4 + self.heading

    @property
    def carried_code(self) -> Int[Tensor, " b"]:
        """Code of what the agent holds, EMPTY_CODE where that is nothing."""
        slot = self.carried.clamp(min=0)[:, None]
        look = torch.add(self.object_colour.gather(1, slot), self.object_kind.gather(1, slot), alpha=len(COLOURS))
        return look[:, 0].mul_(SIZES[2]).masked_fill_(self.carried < 0, EMPTY_CODE)

    @property
    def bytes_per_environment(self) -> int:
        """What one environment's row takes in memory."""
        tensors = [getattr(self, name) for name in self.names()]
        return sum(tensor.nbytes for tensor in tensors) // max(1, len(self))

    def rows(self, which: Int[Tensor, " k"] | Bool[Tensor, " b"]) -> Self:
        """A copy of some environments."""
        return type(self)(**{name: getattr(self, name)[which] for name in self.names()})

    def write(self, which: Int[Tensor, " k"], rows: Self) -> None:
        """Puts other environments in the place of those at `which`, in this state."""
        for name in self.names():
            getattr(self, name).index_copy_(0, which, getattr(rows, name))

    def clone(self) -> Self:
        """A copy that shares no memory."""
        return type(self)(**{name: getattr(self, name).clone() for name in self.names()})
