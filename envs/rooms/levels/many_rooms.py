"""BabyAI's mazes: rooms in a square, joined by doors until the agent could go everywhere, things all over.

Doors are added in random walls until all rooms are joined, which is to say: a random order of the walls, up to where
the rooms are joined for the first time. Doors come after the things among the objects' slots, in that order;
slots of doors that were not needed are GONE.

b environments, m things, e walls that may have a door, r rooms, k cells to stand on in a room, s = m + e slots

Source: minigrid 3, minigrid/envs/babyai/{goto,pickup,open}.py and core/roomgrid.py (connect_all, add_distractors).
"""

import itertools
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ....perception.checks import require_whole
from ..codes import CLOSED, COLOURS, DOOR, KEY, OPEN
from ..missions import ARTICLES, go_to, open_up, pick_up, thing
from ..random import draw_bits
from ..state import GO_TO, GONE, OPEN_DOOR, PICK_UP
from .floor_plan import FloorPlan
from .level import FREE_BITS, Draft, Level, time_limit
from .one_room import LOOK_TEXTS, LOOKS, articles
from .reach import Reach

_ROOM, _AGENT, _HEADING, _FIRST, _LOOKS = range(5)  # numbers of draws; what each thing, wall and cell draws follows


class _Doors(NamedTuple):
    """The walls in the order in which they got doors."""

    cell: Int[Tensor, "b e"]
    colour: Int[Tensor, "b e"]
    is_there: Bool[Tensor, "b e"]


class ManyRooms(Level):
    """Rooms with doors between them: the agent anywhere, then doors, then things in any room, none beside the agent.

    Args:
        rooms: along each side, 2 or 3.
        room_size: cells along a room's side, its walls included, 4..12.
        objects: things in all rooms together; at most a sixth of the cells to stand on.
        doors_open: doors are open from the start.
        max_steps: time limit; minigrid's unless given.
    """

    has_doors = True

    def __init__(
        self,
        rooms: int = 3,
        room_size: int = 8,
        objects: int = 18,
        doors_open: bool = False,
        max_steps: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        require_whole("rooms", rooms, 2, 3)
        require_whole("room_size", room_size, 4, 12)
        most = (rooms * (room_size - 2)) ** 2 // 6
        require_whole("objects", objects, 1, most, why=f"for {rooms} x {rooms} rooms of size {room_size}")
        plan = FloorPlan(rooms, room_size, device)
        self._things, self._doors = objects, len(plan.pairs)
        limit = time_limit(max_steps, (rooms * room_size) ** 2)
        super().__init__(plan, objects=self._things + self._doors, max_steps=limit, device=device)
        self._reach = Reach(plan)
        self._cells = plan.room_cells.flatten()
        self.missions = self._missions()
        taken = plan.nearness(plan.room_cells[0], chebyshev=False) < 2
        self._taken = torch.where(taken, FREE_BITS + 1, 0)
        sizes = (_LOOKS, objects, objects, self._doors, self._doors, self._doors, len(self._cells))
        self._ends = tuple(itertools.accumulate(sizes))
        self._draws = torch.arange(self._ends[-1], device=device)
        self._wall_bits = 1 << torch.arange(self._doors, device=device)
        self._order = torch.arange(self._doors, device=device)
        self._earlier = torch.ones(objects, objects, dtype=torch.bool, device=device).tril(-1)
        states = torch.zeros(self.objects, dtype=torch.int64)
        states[objects:] = OPEN if doors_open else CLOSED
        self._states = states.to(device)

    def _missions(self) -> tuple[str, ...]:
        verb = {GO_TO: go_to, PICK_UP: pick_up}[self.verb]
        return tuple(verb(thing(article, *look)) for article in articles(self._things) for look in LOOK_TEXTS)

    def _part(self, bits: Int[Tensor, "b n"], number: int) -> Int[Tensor, "b x"]:
        """Draws of one sort: 0 looks, 1 rooms, 2 order of walls, 3 places and 4 colours of doors, 5 cells."""
        return bits[:, self._ends[number] : self._ends[number + 1]]

    def draw(self, key: Int[Tensor, " b"]) -> tuple[Draft, Bool[Tensor, " b"]]:
        """One attempt for each key, and which of them are valid."""
        bits = draw_bits(key, self._draws)
        room = bits[:, _ROOM] % len(self.plan.room_cells)
        place = bits[:, _AGENT] % self.plan.inner**2
        agent_cell = self._cells[room * self.plan.inner**2 + place]
        look = self._part(bits, 0) % LOOKS
        cell, valid = self._place(bits, room, place)
        doors = self._connect(bits)
        is_target, mission = self._instruct(bits, look, doors)
        draft = Draft(
            agent_cell=agent_cell,
            heading=bits[:, _HEADING] % 4,
            object_kind=torch.cat([look // len(COLOURS) + KEY, torch.full_like(doors.cell, DOOR)], dim=1),
            object_colour=torch.cat([look % len(COLOURS), doors.colour], dim=1),
            object_cell=torch.cat([cell, torch.where(doors.is_there, doors.cell, GONE)], dim=1),
            mission=mission,
            is_target=is_target,
            door_state=self._states.repeat(len(key), 1),
        )
        door_bits = self._reach.of(doors.cell, doors.is_there)
        return draft, valid & self._reach.reaches(agent_cell, self._reach.of(cell), door_bits)

    def _place(
        self, bits: Int[Tensor, "b n"], agent_room: Int[Tensor, " b"], agent_place: Int[Tensor, " b"]
    ) -> tuple[Int[Tensor, "b m"], Bool[Tensor, " b"]]:
        """The things' cells, each in a random room and there in a random free cell, and which rows had room."""
        rooms, within = self.plan.room_cells.shape
        ranks = (self._part(bits, 5) >> 1).view(-1, rooms, within)
        here = agent_room[:, None, None].expand(-1, 1, within)
        ranks.scatter_(1, here, ranks.gather(1, here) | self._taken[agent_place][:, None])
        ranks, order = ranks.sort(dim=2)
        room = self._part(bits, 1) % rooms
        number = ((room[:, :, None] == room[:, None, :]) & self._earlier).sum(dim=2)  # of a thing in its room
        fits = number < within
        row = room * within + number.clamp(max=within - 1)
        fits &= ranks.flatten(1).gather(1, row) <= FREE_BITS
        return self._cells[room * within + order.flatten(1).gather(1, row)], fits.all(dim=1)

    def _connect(self, bits: Int[Tensor, "b n"]) -> _Doors:
        """Doors in random walls until all rooms are joined."""
        wall = self._part(bits, 2).argsort(dim=1)
        is_joined = self.plan.is_connected[self._wall_bits[wall].cumsum(dim=1)]
        last = is_joined.to(torch.uint8).argmax(dim=1, keepdim=True)
        place = self._part(bits, 3) % self.plan.inner
        cell = self.plan.door_cells.flatten()[wall * self.plan.inner + place]
        return _Doors(cell, self._part(bits, 4) % len(COLOURS), self._order <= last)

    def _instruct(
        self, bits: Int[Tensor, "b n"], look: Int[Tensor, "b m"], doors: _Doors
    ) -> tuple[Bool[Tensor, "b s"], Int[Tensor, " b"]]:
        """The targets and the mission: here, things that look like one of them."""
        chosen = look.gather(1, bits[:, _FIRST, None] % self._things)
        is_target = look == chosen
        mission = chosen.squeeze(1) + (is_target.sum(dim=1) > 1) * LOOKS
        return torch.cat([is_target, torch.zeros_like(doors.is_there)], dim=1), mission


class GoTo(ManyRooms):
    """Go to a thing of a colour and kind; BabyAI's GoToObjMazeS4R2 is `rooms=2, room_size=4, objects=1`."""

    verb = GO_TO


class Pickup(ManyRooms):
    """Pick up a thing of a colour and kind."""

    verb = PICK_UP

    has_doors = True

    def __init__(
        self,
        rooms: int = 3,
        room_size: int = 8,
        objects: int = 18,
        max_steps: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(rooms, room_size, objects, False, max_steps, device)


class Open(Pickup):
    """Open a door of a colour."""

    verb = OPEN_DOOR

    def _missions(self) -> tuple[str, ...]:
        return tuple(open_up(thing(article, DOOR, colour)) for article in ARTICLES for colour in range(len(COLOURS)))

    def _instruct(
        self, bits: Int[Tensor, "b n"], look: Int[Tensor, "b m"], doors: _Doors
    ) -> tuple[Bool[Tensor, "b s"], Int[Tensor, " b"]]:
        chosen = doors.colour.gather(1, (bits[:, _FIRST] % doors.is_there.sum(dim=1))[:, None])
        is_target = (doors.colour == chosen) & doors.is_there
        mission = chosen.squeeze(1) + (is_target.sum(dim=1) > 1) * len(COLOURS)
        return torch.cat([torch.zeros_like(look, dtype=torch.bool), is_target], dim=1), mission
