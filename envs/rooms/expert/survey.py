"""What the expert has to know of a batch of rooms before it plans: what every move costs, and where things are.

Reads states and makes arrays for field.py, environments last; which of them a plan is made of is decided in
planner.py.

b environments, c cells, m objects, a 2 axes, s 2 senses of an axis (the order of poses in field.py)
"""

import dataclasses

import torch
from jaxtyping import Bool, Int, Int16, UInt8
from torch import Tensor

from ..codes import BALL, BOX, CLOSED, COLOURS, DOOR, EMPTY, EMPTY_CODE, FLOOR, KEY, LOCKED, OPEN, pack, unpacked
from ..state import PICK_UP, PUT_NEXT, RoomsState
from .field import FAR, PoseField

CROSSING = 40
"""Counted for an object that has to be put aside: first as few of them as can be, then few steps."""


@dataclasses.dataclass(frozen=True)
class Ground:
    """What moving costs in a batch of rooms, as the relaxation wants it; FAR or more where there is no way.

    Attributes:
        codes: what stands in each cell.
        enter_cell: steps to go into a cell, what is faced there left aside.
        enter: steps to go forward into a pose.
        turn: steps to turn into a pose.
        start: the agent's pose, as the row of a field of (poses, b).
    """

    codes: UInt8[Tensor, "c b"]
    enter_cell: Int16[Tensor, "c b"]
    enter: Int16[Tensor, "2 2 c b"]
    turn: Int16[Tensor, "2 2 c b"]
    start: Int[Tensor, " b"]


class Surveyor:
    """Looks over the true state of rooms of one size.

    Args:
        height: of the grid in cells.
        width: of the grid in cells.
        device: where the states' tensors are.

    Attributes:
        walking: what it costs to enter cells by what stands there, where nothing is put aside.
        crossing: likewise, where objects may be.
    """

    def __init__(self, height: int, width: int, device: torch.device | str = "cpu") -> None:
        self.field = PoseField(height, width, device)
        self.walking = _costs_of_entering(device, crossing=FAR)
        self.crossing = _costs_of_entering(device, crossing=CROSSING)

    def survey(
        self, state: RoomsState, costs: Int16[Tensor, " codes"], least: Int16[Tensor, "c b"] | None = None
    ) -> Ground:
        """What moving costs with what the hands hold, and where no wrong object may be faced.

        Args:
            state: the rooms.
            costs: `walking` or `crossing`.
            least: what entering a cell costs at least; 0 by default.
        """
        codes = state.cells.t().contiguous()
        enter_cell = costs.take(codes + 256 * self._hands(state))
        if least is not None:
            enter_cell = torch.maximum(enter_cell, least)
        wrong = self.at_objects(state, torch.where(state.is_wrong, FAR, 0), elsewhere=0)
        faces_wrong = self.field.ahead(wrong)
        start = self.field.around(state.agent_cell, state.heading)[0]
        return Ground(codes, enter_cell, enter_cell + faces_wrong, 1 + faces_wrong, start)

    def _hands(self, state: RoomsState) -> Int[Tensor, " b"]:
        """0 for empty ones, 1 and more for a key by its colour, the last for anything else."""
        held = state.carried.clamp(min=0)[:, None]
        kind, colour = (part.gather(1, held)[:, 0] for part in (state.object_kind, state.object_colour))
        return torch.where(state.carried < 0, 0, torch.where(kind == KEY, colour + 1, 1 + len(COLOURS)))

    def without_target(self, state: RoomsState, costs: Int16[Tensor, " codes"]) -> Ground:
        """The ground of the last leg of PUT_NEXT: where the only target will have been taken up."""
        taken = only_target(state) & (state.verb == PUT_NEXT)[:, None]
        cells = torch.where(taken, state.object_cell, 0)
        codes = torch.where(taken, EMPTY_CODE, state.cells.gather(1, cells)).to(torch.uint8)
        emptied = state.cells.scatter(1, cells, codes)
        return self.survey(dataclasses.replace(state, cells=emptied), costs)

    def at_objects(self, state: RoomsState, values: Int[Tensor, "b m"], elsewhere: int) -> Int16[Tensor, "c b"]:
        """A map with a value at each object's cell and another `elsewhere`; objects that are nowhere do not show."""
        values = torch.where(state.object_cell >= 0, values, elsewhere).to(torch.int16)
        out = values.new_full((self.field.cells, len(state)), elsewhere)
        return out.scatter_(0, state.object_cell.clamp(min=0).t(), values.t())

    def seconds(self, state: RoomsState) -> Bool[Tensor, "c b"]:
        """Where things are that the target may be put next to; the only target is none."""
        seconds = state.is_second & ~only_target(state)
        return self.at_objects(state, seconds.long(), elsewhere=0) > 0


def holds_target(state: RoomsState) -> Bool[Tensor, " b"]:
    """Whether the agent has one of the targets in its hands."""
    held = state.is_target.gather(1, state.carried.clamp(min=0)[:, None])[:, 0]
    return held & (state.carried >= 0)


def holds_useless(state: RoomsState) -> Bool[Tensor, " b"]:
    """Whether the hands have to be emptied before the mission's own part can be done."""
    return (state.carried >= 0) & ~holds_target(state) & ((state.verb == PUT_NEXT) | (state.verb == PICK_UP))


def only_target(state: RoomsState) -> Bool[Tensor, "b m"]:
    """The one target that lies somewhere, where there is just one and the hands hold none."""
    lies = state.is_target & (state.object_cell >= 0)
    return lies & ((lies.sum(dim=1) == 1) & ~holds_target(state))[:, None]


def _costs_of_entering(device: torch.device | str, crossing: int) -> Int16[Tensor, " codes"]:
    """Steps to go where a code stands, by 256 * what the hands hold (see Surveyor._hands) + code.

    Args:
        device: of the table.
        crossing: what to pay for an object; full hands can open boxes and no more.
    """
    kind, colour, state = unpacked().long().unbind(dim=-1)
    cost = torch.full((2 + len(COLOURS), 256), FAR)
    cost[:, (kind == EMPTY) | (kind == FLOOR)] = 1
    cost[:, kind == BOX] = crossing
    cost[0, (kind == KEY) | (kind == BALL)] = crossing
    cost[:, (kind == DOOR) & (state == OPEN)] = 1
    cost[:, (kind == DOOR) & (state == CLOSED)] = 2
    for key in range(len(COLOURS)):
        cost[1 + key, pack(DOOR, key, LOCKED)] = 2
    return cost.flatten().to(device, torch.int16)
