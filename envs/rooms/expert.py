"""`Expert`: the next action of a shortest plan, made from everything that is true in a room.

It plays and shows how; it does not look, hear or remember: the same state always gives the same action, at any batch
size. Where several actions are equally good it takes the first of: finish (done, pick up, drop or toggle), forward (or
open the door ahead), left, right.

b environments, c cells, m objects, a 2 axes, s 2 senses of an axis (the order of poses in expert_field.py)
"""

import dataclasses

import torch
from jaxtyping import Bool, Int, Int16, UInt8
from torch import Tensor

from .codes import (
    BALL,
    BOX,
    CLOSED,
    COLOURS,
    DONE,
    DOOR,
    DROP,
    EMPTY,
    EMPTY_CODE,
    FLOOR,
    FORWARD,
    KEY,
    LEFT,
    LOCKED,
    OPEN,
    PICKUP,
    TOGGLE,
    pack,
    unpacked,
)
from .expert_field import FAR, PoseField
from .state import GO_TO, OPEN_DOOR, PICK_UP, PUT_NEXT, RoomsState

_BLOCKED = FAR // 2  # added where a later part of the plan has no way
_CROSSING = 40  # for an object that has to be put out of the way: as few of them as can be, then few steps
_IN_THE_WAY = 64  # added for dropping a thing where it may close a way
_FINISH = {GO_TO: DONE, PICK_UP: PICKUP, PUT_NEXT: PICKUP, OPEN_DOOR: TOGGLE}


@dataclasses.dataclass(frozen=True)
class _Ground:
    """What moving costs in a batch of rooms, as the relaxation wants it."""

    codes: UInt8[Tensor, "c b"]
    enter_cell: Int16[Tensor, "c b"]
    enter: Int16[Tensor, "2 2 c b"]
    turn: Int16[Tensor, "2 2 c b"]
    start: Int[Tensor, " b"]


class Expert:
    """Plans on the true state, for every verb, in one room or several.

    Closed doors on the way are opened; objects that end the episode are never faced; what the hands hold and the
    mission does not need is dropped first; where objects block every way, one is put aside.

    Args:
        height: of the grid in cells.
        width: of the grid in cells.
        device: where the states' tensors are.
    """

    def __init__(self, height: int, width: int, device: torch.device | str = "cpu") -> None:
        self.field = PoseField(height, width, device)
        self._enter = _costs_of_entering(device, crossing=FAR)
        self._cross = _costs_of_entering(device, crossing=_CROSSING)
        self._ahead = _actions_ahead(device)
        self._finish = torch.tensor([_FINISH[verb] for verb in range(4)], device=device)
        self._order = torch.arange(4, device=device)[:, None]

    def act(self, state: RoomsState) -> Int[Tensor, " b"]:
        """The next action of the plan for each environment; "done" where there is no plan."""
        return self._plan(state)[0]

    def distance(self, state: RoomsState) -> Int[Tensor, " b"]:
        """Steps to success by the plan, at least 1; -1 where there is none or something has to be put aside first.

        Exact for GO_TO, OPEN_DOOR, and PICK_UP with empty hands; for PUT_NEXT where one object is the target.
        """
        steps = self._plan(state)[1]
        return torch.where(steps < _BLOCKED, steps.clamp(min=1), -1)

    def _plan(self, state: RoomsState) -> tuple[Int[Tensor, " b"], Int[Tensor, " b"]]:
        """Actions and steps; steps >= _BLOCKED where objects block the way."""
        ground = self._survey(state, self._enter)
        has_target = _holds_target(state)
        must_pick = (state.verb == PUT_NEXT) & ~has_target
        must_drop = _holds_useless(state)
        has_legs = bool((must_pick | must_drop).any())

        without = self._without_target(state, self._enter) if has_legs else ground
        goals = self._last_goals(state, ground, without)
        field = self.field.solve(goals, without.enter, without.turn, None if has_legs else ground.start)
        if has_legs:
            goals, field = self._earlier_legs(state, ground, goals, field, must_pick, must_drop)
        action, steps = self._choose(state, ground, goals, field)
        is_blocked = steps >= _BLOCKED
        if bool(is_blocked.any()):
            which = is_blocked.nonzero()[:, 0]
            action[which] = self._clear_the_way(state.rows(which), steps[which])
        return action, steps

    def _survey(
        self, state: RoomsState, costs: Int16[Tensor, " codes"], least: Int16[Tensor, "c b"] | int = 0
    ) -> _Ground:
        """What moving costs with what the hands hold; entering a cell costs at least `least`."""
        codes = state.cells.t().contiguous()
        enter_cell = costs.take(codes + 256 * self._hands(state)).clamp(min=least)
        wrong = self._at_objects(state, torch.where(state.is_wrong, FAR, 0), elsewhere=0)
        faces_wrong = self.field.ahead(wrong)
        start = self.field.around(state.agent_cell, state.heading)[0]
        return _Ground(codes, enter_cell, enter_cell + faces_wrong, 1 + faces_wrong, start)

    def _hands(self, state: RoomsState) -> Int[Tensor, " b"]:
        """0 for empty ones, 1 and more for a key by its colour, the last for anything else."""
        held = state.carried.clamp(min=0)[:, None]
        kind, colour = (part.gather(1, held)[:, 0] for part in (state.object_kind, state.object_colour))
        return torch.where(state.carried < 0, 0, torch.where(kind == KEY, colour + 1, 1 + len(COLOURS)))

    def _without_target(self, state: RoomsState, costs: Int16[Tensor, " codes"]) -> _Ground:
        """The ground of the last leg of PUT_NEXT: where the only target will have been taken up."""
        taken = _only_target(state) & (state.verb == PUT_NEXT)[:, None]
        cells = torch.where(taken, state.object_cell, 0)
        codes = torch.where(taken, EMPTY_CODE, state.cells.gather(1, cells)).to(torch.uint8)
        emptied = state.cells.scatter(1, cells, codes)
        return self._survey(dataclasses.replace(state, cells=emptied), costs)

    def _at_objects(self, state: RoomsState, values: Int[Tensor, "b m"], elsewhere: int) -> Int16[Tensor, "c b"]:
        """Puts a value at each object's cell; the corner, a wall, takes those that are nowhere."""
        values = torch.where(state.object_cell >= 0, values, elsewhere).to(torch.int16)
        out = values.new_full((self.field.cells, len(state)), elsewhere)
        return out.scatter_(0, state.object_cell.clamp(min=0).t(), values.t())

    def _last_goals(self, state: RoomsState, ground: _Ground, without: _Ground) -> Int16[Tensor, "2 2 c b"]:
        """What it costs to end the last leg of the plan in each pose."""
        code = state.cells.gather(1, state.object_cell.clamp(min=0))
        is_open = code % 3 == OPEN
        is_locked = (code % 3 == LOCKED) & (self._at_cells(ground.enter_cell, state.object_cell) >= FAR)
        to_open = torch.where(is_open, 2, torch.where(is_locked, FAR, 1))
        verb = state.verb[:, None]
        cost = torch.where(verb == OPEN_DOOR, to_open, torch.where(verb == GO_TO, 0, 1))
        cost = torch.where(state.is_target & (verb != PUT_NEXT), cost, FAR)
        at_front = self._at_objects(state, cost, elsewhere=FAR)
        drops = (state.verb == PUT_NEXT) | _holds_target(state)
        if bool(drops.any()):
            # Put down: next to a second thing; or anywhere, what was taken but had to be gone to or taken anew.
            is_beside = self.field.is_beside(self._seconds(state))
            is_place = drops & (without.codes == EMPTY_CODE) & (is_beside | (state.verb != PUT_NEXT))
            price = torch.where(state.verb == PICK_UP, 2, 1).to(torch.int16)
            at_front = torch.where(is_place, torch.minimum(price, at_front), at_front)
        return self.field.ahead(at_front)

    def _seconds(self, state: RoomsState) -> Bool[Tensor, "c b"]:
        """Where things are that the target may be put next to; the only target is none."""
        seconds = state.is_second & ~_only_target(state)
        return self._at_objects(state, seconds.long(), elsewhere=0) > 0

    def _at_cells(self, values: Int16[Tensor, "c b"], cells: Int[Tensor, "b m"]) -> Int16[Tensor, "b m"]:
        return values.gather(0, cells.clamp(min=0).t()).t()

    def _earlier_legs(
        self,
        state: RoomsState,
        ground: _Ground,
        goals: Int16[Tensor, "2 2 c b"],
        field: Int16[Tensor, "2 2 c b"],
        must_pick: Bool[Tensor, " b"],
        must_drop: Bool[Tensor, " b"],
    ) -> tuple[Int16[Tensor, "2 2 c b"], Int16[Tensor, "2 2 c b"]]:
        """Goals and steps of what comes before the last leg: taking the target up, and emptying the hands before."""
        targets = self._at_objects(state, torch.where(state.is_target, 1, FAR), elsewhere=FAR)
        pick_goals = torch.where(self.field.ahead(targets) < FAR, field.clamp(max=_BLOCKED) + 1, FAR)
        goals = torch.where(must_pick, pick_goals, goals)
        field = self.field.solve(goals, ground.enter, ground.turn)
        if bool(must_drop.any()):
            drop_goals = self._drop_goals(state, ground, field)
            goals = torch.where(must_drop, drop_goals, goals)
            field = self.field.solve(goals, ground.enter, ground.turn)
        return goals, field

    def _drop_goals(
        self, state: RoomsState, ground: _Ground, after: Int16[Tensor, "2 2 c b"]
    ) -> Int16[Tensor, "2 2 c b"]:
        """What it costs to drop in each pose a thing that nobody wants, and to go on from there."""
        matters = state.is_target | state.is_second
        near = self.field.is_beside(self._at_objects(state, matters.long(), elsewhere=0) > 0)
        is_safe = self.field.keeps_ways(ground.enter_cell < FAR) & ~near
        price = torch.where(is_safe, 1, 1 + _IN_THE_WAY)
        price = torch.where(ground.codes == EMPTY_CODE, price, FAR).to(torch.int16)
        turned = after + ground.turn
        turned = torch.minimum(turned[:, 0], turned[:, 1]).flip(0)[:, None]  # the thing lies ahead: turn first
        return (self.field.ahead(price) + turned.clamp(max=_BLOCKED)).clamp(max=FAR)

    def _choose(
        self,
        state: RoomsState,
        ground: _Ground,
        goals: Int16[Tensor, "2 2 c b"],
        field: Int16[Tensor, "2 2 c b"],
    ) -> tuple[Int[Tensor, " b"], Int[Tensor, " b"]]:
        """The best of finishing, forward, left and right, and what it leads to in steps."""
        poses = self.field.around(state.agent_cell, state.heading)
        away = _flat(field).gather(0, poses).long()
        away[0] = _flat(goals).gather(0, poses[:1])[0]
        away[1] += _flat(ground.enter).gather(0, poses[1:2])[0]
        away[2:] += _flat(ground.turn).gather(0, poses[2:])
        best = (away * 4 + self._order).amin(dim=0)  # equal ones in their order
        steps, choice = best // 4, best % 4
        ahead = self._code_ahead(state)
        finish = torch.where(ahead == EMPTY_CODE, DROP, self._finish.take(state.verb))
        action = torch.where(choice == 0, finish, torch.where(choice == 1, self._ahead.take(ahead), choice - 2 + LEFT))
        return torch.where(steps < FAR, action, DONE), steps.clamp(max=FAR)

    def _code_ahead(self, state: RoomsState) -> Int[Tensor, " b"]:
        return state.cells.gather(1, self._cell_ahead(state)[:, None])[:, 0].long()

    def _cell_ahead(self, state: RoomsState) -> Int[Tensor, " b"]:
        return state.agent_cell + self.field.step.take(state.heading)

    def _clear_the_way(self, state: RoomsState, steps: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
        """Actions where objects block every way: to the first object on the way with the fewest, with empty hands.

        Boxes that nobody wants are opened, which makes them vanish; other objects are taken up, and dropped by the plan.
        """
        matters = state.is_target | state.is_second
        is_full = state.carried >= 0
        kept = self._at_objects(state, torch.where(matters & is_full[:, None], FAR, 0), elsewhere=0)
        ground = self._survey(state, self._cross, kept)
        without = self._without_target(state, self._cross)
        goals = self._last_goals(state, ground, without)
        # Another thing may lie wherever the target could be put.
        is_taken = (self._enter.take(without.codes.long()) >= FAR) & (without.enter_cell < FAR)
        is_taken &= self._at_objects(state, matters.long(), elsewhere=1) == 0
        is_taken &= self.field.is_beside(self._seconds(state)) & (state.verb == PUT_NEXT) & ~is_full
        goals = torch.where(self.field.ahead(torch.where(is_taken, 1, FAR).to(torch.int16)) < FAR, _CROSSING, goals)
        # With the target in reach, it is its place that is out of reach; else the target.
        targets = self._at_objects(state, torch.where(state.is_target, 0, FAR), elsewhere=FAR)
        to_target = (state.verb == PUT_NEXT) & (steps >= FAR) & ~_holds_target(state)
        goals = torch.where(to_target, self.field.ahead(targets), goals)
        field = self.field.solve(goals, ground.enter, ground.turn)
        action, crossing_steps = self._choose(state, ground, goals, field)

        must_drop = is_full & ((crossing_steps >= FAR) | _holds_useless(state))
        if bool(must_drop.any()):
            drop_goals = self._drop_goals(state, self._survey(state, self._enter), torch.zeros_like(field))
            field = self.field.solve(drop_goals, ground.enter, ground.turn)
            action = torch.where(must_drop, self._choose(state, ground, drop_goals, field)[0], action)
        ahead = self._code_ahead(state)
        is_useless = ~(matters & (state.object_cell == self._cell_ahead(state)[:, None])).any(dim=1)
        opens = (action == PICKUP) & (ahead // 18 == BOX) & is_useless
        return torch.where(opens, TOGGLE, action)


def _flat(field: Int16[Tensor, "2 2 c b"]) -> Int16[Tensor, "poses b"]:
    return field.view(-1, field.shape[-1])


def _holds_target(state: RoomsState) -> Bool[Tensor, " b"]:
    held = state.is_target.gather(1, state.carried.clamp(min=0)[:, None])[:, 0]
    return held & (state.carried >= 0)


def _holds_useless(state: RoomsState) -> Bool[Tensor, " b"]:
    """Whether the hands have to be emptied before the mission's own part can be done."""
    return (state.carried >= 0) & ~_holds_target(state) & ((state.verb == PUT_NEXT) | (state.verb == PICK_UP))


def _only_target(state: RoomsState) -> Bool[Tensor, "b m"]:
    """The one target that lies somewhere, where there is just one and the hands hold none."""
    lies = state.is_target & (state.object_cell >= 0)
    return lies & ((lies.sum(dim=1) == 1) & ~_holds_target(state))[:, None]


def _costs_of_entering(device: torch.device | str, crossing: int) -> Int16[Tensor, " codes"]:
    """Steps to go where a code stands, by 256 * what the hands hold (see Expert._hands) + code.

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


def _actions_ahead(device: torch.device | str) -> Int[Tensor, " codes"]:
    """What to do to go where a code stands."""
    kind, _, state = unpacked().long().unbind(dim=-1)
    action = torch.full((256,), FORWARD)
    action[(kind == KEY) | (kind == BALL) | (kind == BOX)] = PICKUP
    action[(kind == DOOR) & (state != OPEN)] = TOGGLE
    return action.to(device)
