"""`Planner`: the next action of a shortest plan, made from everything that is true in a room.

It plays and shows how; it does not hear or remember: the same state always gives the same action, at any batch
size. Where several actions are equally good it takes the first of: finish (done, pick up, drop or toggle), forward (or
open the door ahead), left, right.

b environments, c cells, m objects, a 2 axes, s 2 senses of an axis (the order of poses in field.py)
"""

import torch
from jaxtyping import Bool, Int, Int16
from torch import Tensor

from ..codes import BALL, BOX, DONE, DOOR, DROP, EMPTY_CODE, FORWARD, KEY, LEFT, LOCKED, OPEN, PICKUP, TOGGLE, unpacked
from ..state import GO_TO, OPEN_DOOR, PICK_UP, PUT_NEXT, RoomsState
from .field import FAR
from .gaze import Gaze
from .survey import CROSSING, Ground, Surveyor, holds_target, holds_useless

_BLOCKED = FAR // 2  # added where a later part of the plan has no way
_IN_THE_WAY = 64  # added for dropping a thing where it may close a way
_FINISH = {GO_TO: DONE, PICK_UP: PICKUP, PUT_NEXT: PICKUP, OPEN_DOOR: TOGGLE}


class Planner:
    """Plans on the true state, for every verb, in one room or several.

    Closed doors on the way are opened; objects that end the episode are never faced; what the hands hold and the
    mission does not need is dropped first; where objects block every way, one is put aside.

    Args:
        height: of the grid in cells.
        width: of the grid in cells.
        device: where the states' tensors are.
    """

    def __init__(self, height: int, width: int, device: torch.device | str = "cpu") -> None:
        self.surveyor = Surveyor(height, width, device)
        self.field = self.surveyor.field
        self._ahead = _actions_ahead(device)
        self._finish = torch.tensor([_FINISH[verb] for verb in range(4)], device=device)
        self._gaze = Gaze(width, device)
        self._order = torch.arange(4, device=device)[:, None]

    def act(self, state: RoomsState, must_see: Bool[Tensor, " b"] | None = None) -> Int[Tensor, " b"]:
        """The next action of the plan for each environment; "done" where there is no plan.

        Args:
            state: the truth.
            must_see: where the target has to be seen by whoever is shown the way, so that it is looked for
                (gaze.py), which takes longer; None: nowhere.
        """
        actions = self._plan(state)[0]
        return actions if must_see is None else self._gaze.looks_around(state, actions, must_see)

    def distance(self, state: RoomsState) -> Int[Tensor, " b"]:
        """Steps to success by the plan, at least 1; -1 where there is none or something has to be put aside first.

        The least there is, objects left where they are, for GO_TO, OPEN_DOOR, and PICK_UP with empty hands; and for
        PUT_NEXT where one object is the target, but a closed door that is passed twice counts as closed both times.
        """
        steps = self._plan(state)[1]
        return torch.where(steps < _BLOCKED, steps.clamp(min=1), -1)

    def ways(
        self, state: RoomsState, looks: Int16[Tensor, "2 2 c b"], must_look: Bool[Tensor, " b"]
    ) -> tuple[Int[Tensor, " b"], Bool[Tensor, " b"]]:
        """Plans with other goals in some environments; nothing is put aside.

        Args:
            state: the truth, or what is believed.
            looks: what it costs to end in each pose, FAR where it is no end.
            must_look: where those are the goals, and not the mission's.

        Returns:
            The next actions, and where there is such a plan.
        """
        actions, steps = self._ways(state, looks, must_look)
        return actions, steps < _BLOCKED

    def clearing(self, state: RoomsState) -> tuple[Int[Tensor, " b"], Bool[Tensor, " b"]]:
        """The mission's own plan, with things put aside: the next actions, and where there is such a plan."""
        actions, steps = self._plan(state)
        return actions, (steps < _BLOCKED) | (actions != DONE)

    def _plan(self, state: RoomsState) -> tuple[Int[Tensor, " b"], Int[Tensor, " b"]]:
        """Actions and steps; steps >= _BLOCKED where objects block the way."""
        action, steps = self._ways(state)
        is_blocked = steps >= _BLOCKED
        if bool(is_blocked.any()):
            which = is_blocked.nonzero()[:, 0]
            action[which] = self._clear_the_way(state.rows(which), steps[which])
        return action, steps

    def _ways(
        self,
        state: RoomsState,
        looks: Int16[Tensor, "2 2 c b"] | None = None,
        must_look: Bool[Tensor, " b"] | None = None,
    ) -> tuple[Int[Tensor, " b"], Int[Tensor, " b"]]:
        """Actions and steps where nothing is put aside; see `ways`."""
        ground = self.surveyor.survey(state, self.surveyor.walking)
        has_target = holds_target(state)
        must_pick = (state.verb == PUT_NEXT) & ~has_target
        must_drop = holds_useless(state)
        if must_look is not None:
            must_pick, must_drop = must_pick & ~must_look, must_drop & ~must_look
        has_legs = bool((must_pick | must_drop).any())

        without = self.surveyor.without_target(state, self.surveyor.walking) if has_legs else ground
        goals = self._last_goals(state, ground, without)
        if looks is not None and must_look is not None:
            goals = torch.where(must_look, looks, goals)
        field = self.field.solve(goals, without.enter, without.turn, None if has_legs else ground.start)
        if has_legs:
            goals, field = self._earlier_legs(state, ground, goals, field, must_pick, must_drop)
        return self._choose(state, ground, goals, field)

    def _last_goals(self, state: RoomsState, ground: Ground, without: Ground) -> Int16[Tensor, "2 2 c b"]:
        """What it costs to end the last leg of the plan in each pose."""
        code = state.cells.gather(1, state.object_cell.clamp(min=0))
        is_open = code % 3 == OPEN
        is_locked = (code % 3 == LOCKED) & (self._at_cells(ground.enter_cell, state.object_cell) >= FAR)
        to_open = torch.where(is_open, 2, torch.where(is_locked, FAR, 1))
        verb = state.verb[:, None]
        cost = torch.where(verb == OPEN_DOOR, to_open, torch.where(verb == GO_TO, 0, 1))
        cost = torch.where(state.is_target & (verb != PUT_NEXT), cost, FAR)
        at_front = self.surveyor.at_objects(state, cost, elsewhere=FAR)
        drops = (state.verb == PUT_NEXT) | holds_target(state)
        if bool(drops.any()):
            # Put down: next to a second thing; or anywhere, what was taken but had to be gone to or taken anew.
            is_beside = self.field.is_beside(self.surveyor.seconds(state))
            is_place = drops & (without.codes == EMPTY_CODE) & (is_beside | (state.verb != PUT_NEXT))
            price = torch.where(state.verb == PICK_UP, 2, 1).to(torch.int16)
            at_front = torch.where(is_place, torch.minimum(price, at_front), at_front)
        return self.field.ahead(at_front)

    def _at_cells(self, values: Int16[Tensor, "c b"], cells: Int[Tensor, "b m"]) -> Int16[Tensor, "b m"]:
        return values.gather(0, cells.clamp(min=0).t()).t()

    def _earlier_legs(
        self,
        state: RoomsState,
        ground: Ground,
        goals: Int16[Tensor, "2 2 c b"],
        field: Int16[Tensor, "2 2 c b"],
        must_pick: Bool[Tensor, " b"],
        must_drop: Bool[Tensor, " b"],
    ) -> tuple[Int16[Tensor, "2 2 c b"], Int16[Tensor, "2 2 c b"]]:
        """Goals and steps of what comes before the last leg: taking the target up, and emptying the hands before."""
        targets = self.surveyor.at_objects(state, torch.where(state.is_target, 1, FAR), elsewhere=FAR)
        pick_goals = torch.where(self.field.ahead(targets) < FAR, field.clamp(max=_BLOCKED) + 1, FAR)
        goals = torch.where(must_pick, pick_goals, goals)
        field = self.field.solve(goals, ground.enter, ground.turn)
        if bool(must_drop.any()):
            drop_goals = self._drop_goals(state, ground, self._turned_away(ground, goals, field))
            goals = torch.where(must_drop, drop_goals, goals)
            field = self.field.solve(goals, ground.enter, ground.turn)
        return goals, field

    def _drop_goals(
        self, state: RoomsState, ground: Ground, after: Int16[Tensor, "2 2 c b"] | Int16[Tensor, ""]
    ) -> Int16[Tensor, "2 2 c b"]:
        """What it costs to drop in each pose a thing that nobody wants, with what comes `after` that there."""
        matters = state.is_target | state.is_second
        near = self.field.is_beside(self.surveyor.at_objects(state, matters.long(), elsewhere=0) > 0)
        is_safe = self.field.keeps_ways(ground.enter_cell < FAR) & ~near
        price = torch.where(is_safe, 1, 1 + _IN_THE_WAY)
        price = torch.where(ground.codes == EMPTY_CODE, price, FAR).to(torch.int16)
        return (self.field.ahead(price) + after.clamp(max=_BLOCKED)).clamp(max=FAR)

    def _turned_away(
        self, ground: Ground, goals: Int16[Tensor, "2 2 c b"], field: Int16[Tensor, "2 2 c b"]
    ) -> Int16[Tensor, "2 2 c b"]:
        """Steps to the end from poses where the way ahead has just been closed: by the left, the right or the back."""
        onward = torch.minimum(goals, self.field.advanced(field + ground.enter)).clamp(max=FAR)
        turned = onward + ground.turn
        beside = torch.minimum(turned[:, 0], turned[:, 1]).flip(0)[:, None]
        past = torch.minimum(ground.turn[:, 0], ground.turn[:, 1]).flip(0)[:, None]
        return torch.minimum(beside, turned.flip(1) + past)

    def _choose(
        self,
        state: RoomsState,
        ground: Ground,
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

        Boxes that nobody wants are opened, which makes them vanish; what is taken up is dropped by the plan.
        """
        matters = state.is_target | state.is_second
        is_full = state.carried >= 0
        kept = self.surveyor.at_objects(state, torch.where(matters & is_full[:, None], FAR, 0), elsewhere=0)
        ground = self.surveyor.survey(state, self.surveyor.crossing, kept)
        without = self.surveyor.without_target(state, self.surveyor.crossing)
        goals = self._last_goals(state, ground, without)
        # Another thing may lie wherever the target could be put.
        is_taken = (self.surveyor.walking.take(without.codes.long()) >= FAR) & (without.enter_cell < FAR)
        is_taken &= self.surveyor.at_objects(state, matters.long(), elsewhere=1) == 0
        is_taken &= self.field.is_beside(self.surveyor.seconds(state)) & (state.verb == PUT_NEXT) & ~is_full
        goals = torch.where(self.field.ahead(torch.where(is_taken, 1, FAR).to(torch.int16)) < FAR, CROSSING, goals)
        # With the target in reach, it is its place that is out of reach; else the target.
        targets = self.surveyor.at_objects(state, torch.where(state.is_target, 0, FAR), elsewhere=FAR)
        to_target = (state.verb == PUT_NEXT) & (steps >= FAR) & ~holds_target(state)
        goals = torch.where(to_target, self.field.ahead(targets), goals)
        field = self.field.solve(goals, ground.enter, ground.turn)
        action, crossing_steps = self._choose(state, ground, goals, field)

        must_drop = is_full & ((crossing_steps >= FAR) | holds_useless(state))
        if bool(must_drop.any()):
            drop_goals = self._drop_goals(
                state, self.surveyor.survey(state, self.surveyor.walking), torch.zeros_like(field)
            )
            field = self.field.solve(drop_goals, ground.enter, ground.turn)
            action = torch.where(must_drop, self._choose(state, ground, drop_goals, field)[0], action)
        ahead = self._code_ahead(state)
        is_useless = ~(matters & (state.object_cell == self._cell_ahead(state)[:, None])).any(dim=1)
        opens = (action == PICKUP) & (ahead // 18 == BOX) & is_useless
        return torch.where(opens, TOGGLE, action)


def _flat(field: Int16[Tensor, "2 2 c b"]) -> Int16[Tensor, "poses b"]:
    return field.view(-1, field.shape[-1])


def _actions_ahead(device: torch.device | str) -> Int[Tensor, " codes"]:
    """What to do to go where a code stands."""
    kind, _, state = unpacked().long().unbind(dim=-1)
    action = torch.full((256,), FORWARD)
    action[(kind == KEY) | (kind == BALL) | (kind == BOX)] = PICKUP
    action[(kind == DOOR) & (state != OPEN)] = TOGGLE
    return action.to(device)
