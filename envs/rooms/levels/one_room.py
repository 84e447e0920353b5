"""BabyAI's levels of one room: go to a thing, pick one up by where it is, put one beside another.

The distributions, the missions and the time limits are minigrid's; its rejections (everything within reach, a thing not
yet beside the other) are made by drawing the row again.

Looks are counted 0..17: key, ball, box, each in the six colours. b environments, m objects, k cells to stand on

Source: minigrid 3, minigrid/envs/babyai/{goto,pickup,putnext}.py and core/{roomgrid,roomgrid_level,levelgen}.py.
"""

import functools
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ....perception.checks import require_whole
from ..codes import BALL, COLOURS, GREY, KEY
from ..missions import ARTICLES, PLACES, go_to, pick_up, put_next, thing
from ..random import draw_bits
from ..state import GO_TO, PICK_UP, PUT_NEXT
from .floor_plan import FloorPlan
from .level import FREE_BITS, THINGS, Draft, Level, time_limit
from .placing import free_pose, kth, sides
from .reach import Reach

LOOKS = len(THINGS) * len(COLOURS)
RED_BALL = THINGS.index(BALL) * len(COLOURS) + COLOURS.index("red")

LOOK_TEXTS = tuple((kind, colour) for kind in THINGS for colour in range(len(COLOURS)))
"""(kind, colour) of each look."""


class Task(NamedTuple):
    """What a level asks for in a world that is otherwise drawn."""

    is_target: Bool[Tensor, "b m"]
    mission: Int[Tensor, " b"]
    is_second: Bool[Tensor, "b m"] | None = None
    is_valid: Bool[Tensor, " b"] | None = None


_AGENT, _HEADING, _FIRST, _SECOND, _FREE = range(5)  # numbers of draws; looks and cells follow


def articles(objects: int) -> tuple[str, ...]:
    """The articles that missions can have: a lone object is never "a"."""
    return ARTICLES[:1] if objects == 1 else ARTICLES


class OneRoom(Level):
    """One closed room: the agent anywhere, then things, none of them beside it.

    Args:
        room_size: cells along the room's side, its walls included, 4..22.
        objects: things in the room; at most a third of the cells to stand on.
        max_steps: time limit; minigrid's unless given.
    """

    verb = GO_TO
    looks_differ: ClassVar[bool] = False
    walks: ClassVar[int] = 1

    def __init__(
        self,
        room_size: int = 8,
        objects: int = 8,
        max_steps: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        require_whole("room_size", room_size, 3 + self.walks, 22)
        most = (room_size - 2) ** 2 // 3
        if self.looks_differ:
            most = min(most, LOOKS)
        require_whole("objects", objects, min(self.walks, most), most, why=f"for `room_size` {room_size}")
        plan = FloorPlan(1, room_size, device)
        limit = time_limit(max_steps, self.walks * room_size**2)
        super().__init__(plan, objects=objects, max_steps=limit, device=device)
        self._cells = plan.room_cells[0]
        self._reach = Reach(plan)
        self.may_reject = objects > 1
        self.missions = self._missions()
        distance = plan.nearness(self._cells, chebyshev=False)
        self._taken = torch.where(distance < 2, FREE_BITS + 1, 0)
        self._is_beside = distance == 1
        self._look_end = _FREE + (LOOKS if self.looks_differ else objects)
        self._draws = torch.arange(self._look_end + len(self._cells), device=device)

    def _missions(self) -> tuple[str, ...]:
        return tuple(go_to(thing(article, *look)) for article in articles(self.objects) for look in LOOK_TEXTS)

    def _place(
        self, bits: Int[Tensor, "b n"], start: Int[Tensor, " b"]
    ) -> tuple[Int[Tensor, "b m"], Bool[Tensor, " b"]]:
        """Cells of the objects as numbers in the room, at random but not beside `start`, and which rows had room."""
        ranks = (bits[:, self._look_end :] >> 1) | self._taken[start]
        if self.objects == 1:
            rank, place = ranks.min(dim=1, keepdim=True)
        else:
            rank, place = ranks.topk(self.objects, dim=1, largest=False)
        return place, rank[:, -1] <= FREE_BITS

    def _looks(self, bits: Int[Tensor, "b n"]) -> Int[Tensor, "b m"]:
        """What the objects look like: independent of each other, or all different."""
        own = bits[:, _FREE : self._look_end]
        return own.topk(self.objects, dim=1, largest=False).indices if self.looks_differ else own % LOOKS

    def _instruct(self, bits: Int[Tensor, "b n"], look: Int[Tensor, "b m"], cell: Int[Tensor, "b m"]) -> Task:
        """The mission: here, to go to things that look like one of them."""
        chosen = look.gather(1, bits[:, _FIRST, None] % self.objects)
        is_target = look == chosen
        return Task(is_target, chosen.squeeze(1) + (is_target.sum(dim=1) > 1) * LOOKS)

    def draw(self, key: Int[Tensor, " b"]) -> tuple[Draft, Bool[Tensor, " b"]]:
        """One attempt for each key, and which of them are valid."""
        bits = draw_bits(key, self._draws)
        start = bits[:, _AGENT] % len(self._cells)
        place, valid = self._place(bits, start)
        look, cell, agent_cell = self._looks(bits), self._cells[place], self._cells[start]
        instruction = self._instruct(bits, look, cell)
        draft = Draft(
            agent_cell=agent_cell,
            heading=bits[:, _HEADING] % 4,
            object_kind=look // len(COLOURS) + KEY,
            object_colour=look % len(COLOURS),
            object_cell=cell,
            mission=instruction.mission,
            is_target=instruction.is_target,
            is_second=instruction.is_second,
        )
        if not self.may_reject:
            return draft, valid
        valid &= self._reach.reaches(agent_cell, self._reach.of(cell))
        return draft, valid if instruction.is_valid is None else valid & instruction.is_valid


class GoToLocal(OneRoom):
    """Go to a thing of a colour and kind; BabyAI's GoToLocalS5N2 is `room_size=5, objects=2`."""


class GoToObj(OneRoom):
    """Go to the only thing."""

    def __init__(self, room_size: int = 8, max_steps: int | None = None, device: torch.device | str = "cpu") -> None:
        super().__init__(room_size, 1, max_steps, device)


class GoToRedBall(OneRoom):
    """Go to a red ball, the first of the objects, among things of any look."""

    def _missions(self) -> tuple[str, ...]:
        return tuple(go_to(thing(article, *LOOK_TEXTS[RED_BALL])) for article in articles(self.objects))

    def _looks(self, bits: Int[Tensor, "b n"]) -> Int[Tensor, "b m"]:
        look = super()._looks(bits)
        look[:, 0] = RED_BALL
        return look

    def _instruct(self, bits: Int[Tensor, "b n"], look: Int[Tensor, "b m"], cell: Int[Tensor, "b m"]) -> Task:
        is_target = look == RED_BALL
        return Task(is_target, (is_target.sum(dim=1) > 1).to(torch.int64))


class GoToRedBallGrey(GoToRedBall):
    """Go to the red ball; everything else is grey."""

    def _missions(self) -> tuple[str, ...]:
        return super()._missions()[:1]

    def _looks(self, bits: Int[Tensor, "b n"]) -> Int[Tensor, "b m"]:
        look = super()._looks(bits)
        look[:, 1:] += GREY - look[:, 1:] % len(COLOURS)
        return look


class GoToRedBallNoDists(GoToRedBall):
    """Go to the red ball; there is nothing else."""

    def __init__(self, room_size: int = 8, max_steps: int | None = None, device: torch.device | str = "cpu") -> None:
        super().__init__(room_size, 1, max_steps, device)


class PutNextLocal(OneRoom):
    """Put one thing beside another; no two look alike, and the two are not beside each other yet."""

    verb = PUT_NEXT
    looks_differ = True
    walks = 2

    def _missions(self) -> tuple[str, ...]:
        texts = [thing("the", *look) for look in LOOK_TEXTS]
        return tuple(put_next(what, beside) for what in texts for beside in texts if what != beside)

    def _instruct(self, bits: Int[Tensor, "b n"], look: Int[Tensor, "b m"], cell: Int[Tensor, "b m"]) -> Task:
        first = bits[:, _FIRST, None] % self.objects
        second = (first + 1 + bits[:, _SECOND, None] % (self.objects - 1)) % self.objects
        slots = torch.arange(self.objects, device=look.device)
        what, beside = look.gather(1, first).squeeze(1), look.gather(1, second).squeeze(1)
        here, there = cell.gather(1, first).squeeze(1), cell.gather(1, second).squeeze(1)
        apart = (self.plan.x[here] - self.plan.x[there]).abs() + (self.plan.y[here] - self.plan.y[there]).abs()
        mission = what * (LOOKS - 1) + beside - (beside > what).to(torch.int64)
        return Task(slots == first, mission, slots == second, apart > 1)


class PickupLoc(OneRoom):
    """Pick up a thing that the mission describes by its kind and, at times, its colour and where it is.

    Things are placed first, away from the middle of the room, then the agent, looking at none of them.
    """

    verb = PICK_UP

    def __init__(
        self,
        room_size: int = 8,
        objects: int = 8,
        max_steps: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(room_size, objects, max_steps, device)
        self.may_reject = True
        inner = self.plan.inner
        middle = (room_size // 2 - 1) * (inner + 1)  # minigrid's agent, before it is placed
        self._middle = torch.tensor(middle, device=device)
        self._poses = (self._cells[:, None] * 4 + torch.arange(4, device=device)).flatten()
        self._fits = _fitting_descriptions().to(device)
        weights = [len(PLACES) if place is None else 1 for _, _, place in DESCRIPTIONS]
        self._weights = torch.tensor(weights, device=device)

    def _missions(self) -> tuple[str, ...]:
        return tuple(
            pick_up(thing(article, *description)) for article in articles(self.objects) for description in DESCRIPTIONS
        )

    def draw(self, key: Int[Tensor, " b"]) -> tuple[Draft, Bool[Tensor, " b"]]:
        """One attempt for each key, and which of them are valid."""
        bits = draw_bits(key, self._draws)
        place, valid = self._place(bits, self._middle.expand(len(key)))
        look, cell = self._looks(bits), self._cells[place]
        pose = free_pose(self.plan, self._poses, cell, bits[:, _AGENT])
        agent_cell, heading = pose // 4, pose % 4
        # Each thing is one of 18 looks on one of 9 sides: how many things fit a description is a product of matrices.
        thing_of = look * 9 + sides(self.plan, agent_cell, heading, cell)
        there = self._fits.new_zeros(len(key), len(self._fits))
        there.scatter_add_(1, thing_of, torch.ones_like(thing_of, dtype=there.dtype))
        chosen = kth((there @ self._fits > 0) * self._weights, bits[:, _FIRST])
        is_target = self._fits[thing_of, chosen[:, None]] > 0
        draft = Draft(
            agent_cell=agent_cell,
            heading=heading,
            object_kind=look // len(COLOURS) + KEY,
            object_colour=look % len(COLOURS),
            object_cell=cell,
            mission=chosen + (is_target.sum(dim=1) > 1) * len(DESCRIPTIONS),
            is_target=is_target,
        )
        return draft, valid & self._reach.reaches(agent_cell, self._reach.of(cell))


DESCRIPTIONS = tuple(
    (kind, colour, place)
    for kind in THINGS
    for colour in (None, *range(len(COLOURS)))
    for place in (None, *range(len(PLACES)))
)
"""(kind, colour, place) of what PickupLoc can ask for; minigrid draws "anywhere" as often as all places together."""


@functools.cache
def _fitting_descriptions() -> Float[Tensor, "things d"]:
    """1 where a description fits a thing, which is look * 9 + side as `sides` numbers it."""
    fits = torch.zeros(LOOKS, 9, len(DESCRIPTIONS))
    for look, (kind, colour) in enumerate(LOOK_TEXTS):
        for side in range(9):
            across, along = side // 3 - 1, side % 3 - 1
            holds = (across < 0, across > 0, along > 0, along < 0)
            places = (None, *(place for place, is_there in enumerate(holds) if is_there))
            for number, (own_kind, own_colour, place) in enumerate(DESCRIPTIONS):
                fits[look, side, number] = own_kind == kind and own_colour in (None, colour) and place in places
    return fits.flatten(0, 1)
