"""What an action does: minigrid's rules and BabyAI's verifiers, on a whole batch of rooms at once.

Changes a `RoomsState` in place and says what came of it; it neither makes rooms (levels/) nor looks at them (view.py).
There is no branch in it: what an action does depends on the cell ahead, on what the agent holds and on the action, so
it is read from a table made beforehand; where a move leads depends on the pose, and is read from another.

Source: minigrid 3, minigrid_env.py (`step`), core/world_object.py (`toggle`), envs/babyai/core/roomgrid_level.py and
verifier.py. Boxes are empty; verifiers are not strict; there is no goal and no lava.

b environments, c cells, m objects, p poses (4 * c)
"""

import dataclasses
import functools
import itertools

import torch
from jaxtyping import Bool, Float32, Int, UInt8
from torch import Tensor

from .codes import (
    ACTIONS,
    BALL,
    BOX,
    CLOSED,
    COLOURS,
    DOOR,
    DROP,
    EAST,
    EMPTY,
    EMPTY_CODE,
    FLOOR,
    FORWARD,
    KEY,
    LEFT,
    LOCKED,
    NORTH,
    OPEN,
    PICKUP,
    RIGHT,
    SOUTH,
    TOGGLE,
    WEST,
    pack,
)
from .state import GO_TO, OPEN_DOOR, PICK_UP, PUT_NEXT, RoomsState

HEADINGS = {EAST: (1, 0), SOUTH: (0, 1), WEST: (-1, 0), NORTH: (0, -1)}
"""Heading -> how a step that way changes (x, y)."""

_NOTHING, _PICKS, _DROPS, _BREAKS, _OPENS = range(5)
"""What an action did to things: nothing of note, took one, laid it down, opened a box (it is gone), opened a door."""
_STAY, _TURN_LEFT, _TURN_RIGHT, _ADVANCE = range(4)
_BESIDE, _SAME = 1, 2
"""How a thing's cell lies to the cell that is faced; 0 for any other."""
_CODES = 144
"""One more than the greatest code in a room, that of a grey box."""
_EFFECT_STRIDES = (1, 8, 8 * _CODES // 3)
"""Of the action, the code ahead and the code that is held in the table of effects; the latter is a multiple of 3."""


@dataclasses.dataclass(frozen=True)
class WorldStep:
    """What one step brought.

    Attributes:
        reward: 1 - 0.9 * step_count / max_steps where the mission was done, 0 elsewhere.
        terminated: the mission was done, or a wrong object was faced.
        truncated: the time is up.
    """

    reward: Float32[Tensor, " b"]
    terminated: Bool[Tensor, " b"]
    truncated: Bool[Tensor, " b"]


def cells_ahead(height: int, width: int) -> Int[Tensor, " p"]:
    """Pose -> the cell ahead; cell 0, which is a wall, where that would be outside."""
    y, x, heading = torch.meshgrid(torch.arange(height), torch.arange(width), torch.arange(4), indexing="ij")
    step = torch.tensor([HEADINGS[h] for h in range(4)])[heading]
    x, y = x + step[..., 0], y + step[..., 1]
    is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return torch.where(is_inside, y * width + x, 0).flatten()


def _moves(ahead: Int[Tensor, " p"]) -> Int[Tensor, "p 4"]:
    """Pose and move -> next pose."""
    pose = torch.arange(len(ahead))
    base, heading = pose // 4 * 4, pose % 4
    advanced = torch.where(ahead > 0, ahead * 4 + heading, pose)
    return torch.stack((pose, base + (heading - 1) % 4, base + (heading + 1) % 4, advanced), dim=-1)


def _effect(held: int, code: int, action: int) -> tuple[int, int, int]:
    """(code ahead afterwards, what happened to things, how the agent moves); codes as minigrid's objects behave."""
    kind, colour, state = code // 18, code // 3 % 6, code % 3
    is_door = kind == DOOR
    if action == LEFT:
        return code, _NOTHING, _TURN_LEFT
    if action == RIGHT:
        return code, _NOTHING, _TURN_RIGHT
    if action == FORWARD and (kind in (EMPTY, FLOOR) or (is_door and state == OPEN)):
        return code, _NOTHING, _ADVANCE
    if action == PICKUP and kind in (KEY, BALL, BOX) and held == EMPTY_CODE:
        return EMPTY_CODE, _PICKS, _STAY
    if action == DROP and kind == EMPTY and held != EMPTY_CODE:
        return held, _DROPS, _STAY
    if action == TOGGLE and kind == BOX:
        return EMPTY_CODE, _BREAKS, _STAY
    if action == TOGGLE and is_door and state == OPEN:
        return pack(DOOR, colour, CLOSED), _NOTHING, _STAY
    if action == TOGGLE and is_door and (state != LOCKED or held == pack(KEY, colour)):
        return pack(DOOR, colour, OPEN), _OPENS, _STAY
    return code, _NOTHING, _STAY


_CONSEQUENCES = {
    _NOTHING: (0, 0, 0),
    _PICKS: (-1, -1, 1),  # cell: faced - faced - 1 = CARRIED;  hand: -1 + (slot + 1) = slot
    _DROPS: (1, 1, -1),  # cell: CARRIED + faced + 1 = faced;   hand: slot - (slot + 1) = -1
    _BREAKS: (-1, -2, 0),  # cell: faced - faced - 2 = GONE
    _OPENS: (0, 0, 0),
}
"""Event -> (way, offset, hand): way * faced + offset is added to the thing's cell, hand * (slot + 1) to the slot that
is carried; `faced` is the cell that the agent faces, `slot` the thing's."""


@functools.cache
def _effects() -> tuple[Int[Tensor, "e 5"], UInt8[Tensor, " e"]]:
    """(move, event, way, offset, hand), and the code ahead afterwards, of all that can be done."""
    rows, after = [[0] * 5] * (_CODES * _EFFECT_STRIDES[2]), [0] * (_CODES * _EFFECT_STRIDES[2])
    things = [pack(kind, colour) for kind in (KEY, BALL, BOX) for colour in range(len(COLOURS))]
    for held, code, action in itertools.product((EMPTY_CODE, *things), range(_CODES), range(len(ACTIONS))):
        index = action + _EFFECT_STRIDES[1] * code + _EFFECT_STRIDES[2] * held
        after[index], event, move = _effect(held, code, action)
        rows[index] = [move, event, *_CONSEQUENCES[event]]
    return torch.tensor(rows), torch.tensor(after, dtype=torch.uint8)


def _verdicts() -> Bool[Tensor, " v"]:
    """Whether a mission is done, by (beside a second thing, verb, event), if the thing is a target."""
    table = torch.zeros(2, 4, 8, dtype=torch.bool)
    table[:, GO_TO] = True
    table[:, PICK_UP, _PICKS] = True
    table[:, OPEN_DOOR, _OPENS] = True
    table[1, PUT_NEXT, _DROPS] = True
    return table.flatten()


class World:
    """The rules, for rooms of one size.

    Args:
        height: cells, the outer walls included.
        width: cells.
        device: where the states are.
    """

    def __init__(self, height: int, width: int, device: torch.device | str = "cpu") -> None:
        self.height = height
        self.width = width
        ahead = cells_ahead(height, width)
        relations = torch.zeros(2 * height * width + 1, dtype=torch.uint8)
        self._middle = height * width + 1  # so that the least number, GONE less the last cell, becomes 0
        relations[self._middle] = _SAME
        for gap in (1, width):  # no thing stands in the outer walls, so that this does not reach around an edge
            relations[[self._middle + gap, self._middle - gap]] = _BESIDE
        self._ahead = ahead.to(device)
        self._moves = _moves(ahead).flatten().to(device)
        self._effects, self._after = (table.to(device) for table in _effects())
        self._verdicts = _verdicts().to(device)
        self._relations = relations.to(device)

    def step(self, state: RoomsState, actions: Int[Tensor, " b"]) -> WorldStep:
        """Does one action in every room.

        Two rows of a batch, step by step. The rooms are 5 x 5, so that cell 6 is (1, 1) and the agent there, looking
        east, has pose 6 * 4 + 0 = 24. In the first a red key, slot 0, lies in cell 7 and is picked up. In the second
        the agent, in cell 8 with that key in its hand, toggles a locked red door, slot 1, in cell 9 of the east wall:

            pose                           24                       32
            cell ahead, its code           7, 90 (red key)          9, 74 (red door, locked)
            code in the hand               18 (nothing)             90 (red key)
            row of the table of effects    3 + 8*90 + 384*18        5 + 8*74 + 384*90       action, ahead, hand
              move, event                  stay, picks              stay, opens
              way, offset, hand            -1, -1, 1                0, 0, 0
              code ahead afterwards        18 (nothing)             72 (red door, open)
            pose afterwards, cell faced    24, 7                    32, 9
            the thing that matters         slot 0: in cell 7        slot 1: in cell 9
            done, if it is a target        verb "pick up": yes      verb "open": yes
            its cell                       7 - 7 - 1 = CARRIED      9 + 0 = 9
            the slot in the hand           -1 + (0 + 1) = 0         0 + 0 = 0

        Args:
            state: changed in place.
            actions: 0..6, see codes.ACTIONS; not checked.
        """
        # What the action does: a row of a table made beforehand, by action, code ahead and code in the hand.
        pose = torch.add(state.heading, state.agent_cell, alpha=4, out=state.previous_pose)
        ahead = self._ahead.index_select(0, pose)[:, None]
        code = state.cells.gather(1, ahead)[:, 0]
        effect = torch.add(actions, code, alpha=_EFFECT_STRIDES[1])
        effect = torch.add(effect, state.carried_code, alpha=_EFFECT_STRIDES[2])
        move, event, way, offset, hand = self._effects.index_select(0, effect).unbind(dim=1)

        # Where the agent is then, and which cell it faces: by pose and move, in tables that know the walls' shape.
        moved = self._moves.index_select(0, torch.add(move, pose, alpha=4))
        faced = self._ahead.index_select(0, moved)

        # The thing that matters is the one that is laid down, or else the one that is faced. It is looked for where
        # things were before the action: BabyAI looks again only after a drop. How a thing lies to the cell that is
        # faced (the same, beside it, or neither) is read by the difference of the two cells' numbers.
        gap = state.object_cell - (faced - self._middle)[:, None]
        relation = self._relations.index_select(0, gap.view(-1)).view(gap.shape)
        nearest, slot = relation.max(dim=1)
        is_beside = (relation & state.is_second).amax(dim=1)
        drops = hand < 0
        slot = torch.where(drops, state.carried, slot)
        is_there = (nearest == _SAME).logical_or_(drops)

        # Whether that was the mission: by (beside the second thing, verb, event), for a thing that is a target.
        slots = slot[:, None]
        is_target = state.is_target.gather(1, slots)[:, 0].logical_and_(is_there)
        is_wrong = state.is_wrong.gather(1, slots)[:, 0].logical_and_(is_there > is_target)
        verdict = torch.add(torch.add(event, state.verb, alpha=8), is_beside, alpha=32)
        success = self._verdicts.index_select(0, verdict).logical_and_(is_target)

        # The state afterwards. Where nothing happened to a thing, way, offset and hand are 0: `slots` is any slot then.
        state.object_cell.scatter_add_(1, slots, torch.addcmul(offset, way, faced)[:, None])
        state.carried.addcmul_(hand, slot + 1)
        state.cells.scatter_(1, ahead, self._after.index_select(0, effect)[:, None])
        torch.bitwise_right_shift(moved, 2, out=state.agent_cell)
        torch.bitwise_and(moved, 3, out=state.heading)
        state.step_count += 1

        worth = (state.step_count.to(torch.float64) / state.max_steps).mul_(-0.9).add_(1)
        return WorldStep((worth * success).to(torch.float32), success | is_wrong, state.step_count >= state.max_steps)
