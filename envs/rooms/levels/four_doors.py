"""BabyAI's levels in the middle one of nine rooms, a door in each of its walls: go to a door, open a door.

b environments

Source: minigrid 3, minigrid/envs/babyai/{goto,open}.py (GoToDoor, OpenDoor).
"""

from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ....perception.checks import require_whole
from ..codes import CLOSED, COLOURS, DOOR
from ..missions import ARTICLES, PLACES, go_to, open_up, thing
from ..random import draw_bits
from ..state import GO_TO, OPEN_DOOR
from .floor_plan import FloorPlan
from .level import Draft, Level, among, time_limit
from .placing import free_pose, sides

_POSE, _CHOICE, _PLACE, _SELECT, _DOORS = range(5)  # numbers of draws; the doors' follow


class FourDoors(Level):
    """The agent anywhere in the middle room, looking at none of its doors.

    Args:
        room_size: cells along a room's side, its walls included, 4..12.
        max_steps: time limit; minigrid's unless given.
    """

    may_reject = False
    has_doors = True

    def __init__(self, room_size: int, max_steps: int | None, device: torch.device | str) -> None:
        require_whole("room_size", room_size, 4, 12)
        plan = FloorPlan(3, room_size, device)
        super().__init__(plan, objects=4, max_steps=time_limit(max_steps, (3 * room_size) ** 2), device=device)
        by_heading = sorted(plan.beside(4), key=lambda wall: wall[1])
        self._door_cells = plan.door_cells[[wall for wall, _ in by_heading]].flatten()
        self._first_cells = torch.arange(4, device=device) * plan.inner
        self._poses = (plan.room_cells[4][:, None] * 4 + torch.arange(4, device=device)).flatten()
        self._slots = torch.arange(4, device=device)
        self._draws = torch.arange(_DOORS + 4 + 4 + len(COLOURS), device=device)

    def _draft(
        self,
        bits: Int[Tensor, "b n"],
        colour: Int[Tensor, "b 4"],
        door_state: Int[Tensor, "b 4"],
    ) -> Draft:
        """The world, with no mission yet."""
        cell = self._door_cells[self._first_cells + bits[:, _DOORS : _DOORS + 4] % self.plan.inner]
        pose = free_pose(self.plan, self._poses, cell, bits[:, _POSE])
        return Draft(
            agent_cell=pose // 4,
            heading=pose % 4,
            object_kind=torch.full_like(cell, DOOR),
            object_colour=colour,
            object_cell=cell,
            mission=torch.zeros_like(pose),
            is_target=torch.zeros_like(cell, dtype=torch.bool),
            door_state=door_state,
        )


class GoToDoor(FourDoors):
    """Go to a door of a colour; each is locked or not by the toss of a coin."""

    verb = GO_TO

    def __init__(self, room_size: int = 7, max_steps: int | None = None, device: torch.device | str = "cpu") -> None:
        super().__init__(room_size, max_steps, device)
        self.missions = tuple(
            go_to(thing(article, DOOR, colour)) for article in ARTICLES for colour in range(len(COLOURS))
        )

    def draw(self, key: Int[Tensor, " b"]) -> tuple[Draft, Bool[Tensor, " b"]]:
        """A world for each key; every one is valid."""
        bits = draw_bits(key, self._draws)
        own = bits[:, _DOORS + 4 : _DOORS + 8]
        draft = self._draft(bits, own % len(COLOURS), CLOSED + own // len(COLOURS) % 2)
        chosen = draft.object_colour.gather(1, bits[:, _CHOICE, None] % 4)
        draft.is_target = draft.object_colour == chosen
        draft.mission = chosen.squeeze(1) + (draft.is_target.sum(dim=1) > 1) * len(COLOURS)
        return draft, torch.ones_like(draft.agent_cell, dtype=torch.bool)


class OpenDoor(FourDoors):
    """Open a door, which is named by its colour or by where it is; no two have the same colour.

    Args:
        room_size: cells along a room's side, its walls included, 4..12.
        select_by: "colour", "place", or None for the toss of a coin. As in minigrid, a colour is always that of the
            door in the east.
        max_steps: time limit; minigrid's unless given.
    """

    verb = OPEN_DOOR

    def __init__(
        self,
        room_size: int = 8,
        select_by: Literal["colour", "place"] | None = None,
        max_steps: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(room_size, max_steps, device)
        among("select_by", select_by, (None, "colour", "place"))
        self.select_by = select_by
        by_colour = [open_up(thing("the", DOOR, colour)) for colour in range(len(COLOURS))]
        by_place = [open_up(thing(article, DOOR, place=place)) for article in ARTICLES for place in range(len(PLACES))]
        self._first_place = 0 if select_by == "place" else len(by_colour)
        self.missions = (*(by_colour if select_by != "place" else ()), *(by_place if select_by != "colour" else ()))
        # Whether a place holds for a side, as `sides` numbers them.
        across, along = torch.arange(9, device=device) // 3 - 1, torch.arange(9, device=device) % 3 - 1
        self._holds = torch.stack([across < 0, across > 0, along > 0, along < 0])

    def draw(self, key: Int[Tensor, " b"]) -> tuple[Draft, Bool[Tensor, " b"]]:
        """A world for each key; every one is valid."""
        bits = draw_bits(key, self._draws)
        colour = bits[:, _DOORS + 8 :].argsort(dim=1)[:, :4]
        draft = self._draft(bits, colour, torch.full_like(colour, CLOSED))
        place = bits[:, _PLACE] % len(PLACES)
        side = sides(self.plan, draft.agent_cell, draft.heading, draft.object_cell)
        is_there = self._holds[place[:, None], side]
        placed = self._first_place + place + (is_there.sum(dim=1) > 1) * len(PLACES)
        if self.select_by is None:
            by_colour = bits[:, _SELECT] % 2 == 0
        else:
            by_colour = torch.full_like(place, self.select_by == "colour", dtype=torch.bool)
        draft.is_target = torch.where(by_colour[:, None], self._slots == 0, is_there)
        draft.mission = torch.where(by_colour, colour[:, 0], placed)
        return draft, torch.ones_like(draft.agent_cell, dtype=torch.bool)
