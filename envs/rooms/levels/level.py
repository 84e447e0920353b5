"""`Level`: makes new episodes. What all levels share: attempts until one is valid, sounds, voices, the state's tensors.

A level draws a world and a mission (`Draft`) and says which rows of it are valid; rows that are not are drawn again
with another key. Everything random is a hash of (seed, index, episode), the number of the attempt and the number of the
draw, so that a row never depends on the other rows of its batch.

b environments, m objects (doors included), c cells
"""

import dataclasses
from typing import ClassVar

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ....perception.checks import require_whole
from ....perception.errors import ConfigError
from ..codes import BALL, BOX, DOOR, KEY, SILENT, SIZES, SOUNDS, WALL_CODE
from ..missions import VOICES
from ..random import child_key, draw_bits, life_key
from ..state import GONE, RoomsState
from .floor_plan import FloorPlan

THINGS = (KEY, BALL, BOX)
"""Kinds of objects other than doors, in the order in which missions are listed."""

PHASES = 10
"""Steps in the loop of a sound."""

FREE_BITS = (1 << 62) - 1
"""A draw under this mask is a random rank; the next bit marks what must not be drawn."""

_TOGETHER = 512  # rows that cost hardly more than one
_MAX_ATTEMPTS = 100_000
_LIFE = 1 << 40  # number of the branch of what no attempt changes; attempts count from 0


@dataclasses.dataclass
class Draft:
    """A world and its mission, as drawn: what of `RoomsState` differs between levels, under the same names.

    `object_height` (codes.HEIGHTS, all ordinary if None) and `door_state` are written into the cells' codes.
    """

    agent_cell: Int[Tensor, " b"]
    heading: Int[Tensor, " b"]
    object_kind: Int[Tensor, "b m"]
    object_colour: Int[Tensor, "b m"]
    object_cell: Int[Tensor, "b m"]
    mission: Int[Tensor, " b"]
    is_target: Bool[Tensor, "b m"]
    is_second: Bool[Tensor, "b m"] | None = None
    is_wrong: Bool[Tensor, "b m"] | None = None
    object_sound: Int[Tensor, "b m"] | None = None
    object_height: Int[Tensor, "b m"] | None = None
    door_state: Int[Tensor, "b m"] | None = None

    def tensors(self) -> dict[str, Tensor]:
        """Those that this level draws, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def rows(self, which: Int[Tensor, " k"]) -> "Draft":
        """A copy of some rows."""
        return Draft(**{name: value.index_select(0, which) for name, value in self.tensors().items()})

    def write(self, which: Int[Tensor, " k"], rows: "Draft") -> None:
        """Puts rows in the place of those at `which`."""
        for name, value in rows.tensors().items():
            getattr(self, name).index_copy_(0, which, value)


class Level:
    """A family of episodes. A level of your own derives from this one and is registered with `register_level`.

    A subclass sets what stands below, calls `super().__init__` with the floor plan, and draws worlds in `draw`. Its
    options are the parameters of its own `__init__`; `device` is one of them, and no option.

    Args:
        plan: rooms and walls.
        objects: slots for objects, doors included.
        max_steps: actions after which an episode is truncated.
        device: where the tables are, and where states are made.

    Attributes:
        height, width: of the world, in cells.
        walls: codes of the cells of a world with nothing in it (codes.py).
    """

    # Set these in ALL subclasses
    verb: ClassVar[int]
    """What has to be done with the targets: GO_TO, PICK_UP, PUT_NEXT or OPEN_DOOR of state.py."""
    missions: tuple[str, ...]
    """The texts of all its missions; `RoomsState.mission` is a row of this tuple."""

    # Set these in SOME subclasses
    may_reject: bool = True
    """An attempt of `draw` can be invalid; False saves the look at what is valid."""
    has_doors: bool = False
    """Some objects are doors: then `draw` gives their `door_state` too."""
    has_heights: ClassVar[bool] = False
    """Things can be short or tall; only then does the camera bake pictures of such."""
    spoken: ClassVar[bool] = False
    """The instruction is spoken, unless whoever makes the environment says otherwise."""
    mission_kinds: tuple[str, ...] = ()
    """For each mission, a word for what decides it, where success is to be told by that; () where all are alike."""
    is_decided_by_look: Bool[Tensor, " missions"] | None = None
    """For each mission, whether nothing but its look says what is meant, so that the expert has to look for it first;
    None for levels of which that is not said."""

    def __init__(self, plan: FloorPlan, *, objects: int, max_steps: int, device: torch.device | str = "cpu") -> None:
        self.plan = plan
        self.height, self.width, self.walls = plan.height, plan.width, plan.walls
        self.objects = objects
        self.max_steps = max_steps
        self.device = torch.device(device)
        self._life_draws = torch.arange(2 * objects + 1, device=device)

    @property
    def name(self) -> str:
        """The class's own, for messages."""
        return type(self).__name__

    def draw(self, key: Int[Tensor, " b"]) -> tuple[Draft, Bool[Tensor, " b"]]:
        """One attempt for each key, and which of them are valid; the same key always draws the same.

        Everything random is taken from `draw_bits(key, numbers)` (random.py), whatever the rest of the batch is.
        """
        raise NotImplementedError

    @torch.no_grad()
    def generate(self, seed: Int[Tensor, " b"], index: Int[Tensor, " b"], episode: Int[Tensor, " b"]) -> RoomsState:
        """A new episode for each row: number `episode` of environment `index` under `seed`."""
        life = life_key(seed, index, episode)
        draft = self._accepted(life)
        count, slots = len(life), self.objects
        # Draws of their own: a level with sounds switched off has the same worlds.
        bits = draw_bits(child_key(life, _LIFE), self._life_draws)
        if draft.object_sound is None:
            sound = bits[:, :slots] % len(SOUNDS)
            if self.has_doors:
                sound = torch.where(draft.object_kind == DOOR, SILENT, sound)
        else:
            sound = draft.object_sound
        code = (draft.object_kind * SIZES[1] + draft.object_colour) * SIZES[2]
        where = draft.object_cell
        if draft.object_height is not None:
            code = code + draft.object_height
        if draft.door_state is not None:
            is_gone = where == GONE
            code = torch.where(is_gone, WALL_CODE, code + draft.door_state)
            where = where.clamp(min=0)  # the corner, which is and stays a wall
        cells = self.walls.expand(count, -1).scatter(1, where, code.to(torch.uint8))
        nothing = torch.zeros((count, slots), dtype=torch.bool, device=life.device)
        return RoomsState(
            cells=cells,
            agent_cell=draft.agent_cell,
            heading=draft.heading,
            previous_pose=draft.agent_cell * 4 + draft.heading,
            carried=torch.full_like(life, -1),
            object_kind=draft.object_kind,
            object_colour=draft.object_colour,
            object_sound=sound,
            object_phase=bits[:, slots : 2 * slots] % PHASES,
            object_cell=draft.object_cell,
            mission=draft.mission,
            verb=torch.full_like(life, self.verb),
            is_target=draft.is_target,
            is_second=nothing if draft.is_second is None else draft.is_second,
            is_wrong=nothing.clone() if draft.is_wrong is None else draft.is_wrong,
            voice=bits[:, -1] % VOICES,
            step_count=torch.zeros_like(life),
            max_steps=torch.full_like(life, self.max_steps),
            seed=seed.clone(),
            index=index.clone(),
            episode=episode.clone(),
        )

    def _accepted(self, life: Int[Tensor, " b"]) -> Draft:
        """The first valid attempt of each row."""
        if not self.may_reject:
            return self.draw(child_key(life, 0))[0]
        draft, valid, attempts = self._first_valid(life, 0)
        pending = (~valid).nonzero().flatten()
        while len(pending):
            if attempts >= _MAX_ATTEMPTS:
                raise ConfigError(f"{self.name} found no valid world in {attempts} attempts; ask for fewer `objects`.")
            again, valid, attempts = self._first_valid(life[pending], attempts)
            done = valid.nonzero().flatten()
            draft.write(pending[done], again.rows(done))
            pending = pending[(~valid).nonzero().flatten()]
        return draft

    def _first_valid(self, life: Int[Tensor, " b"], tried: int) -> tuple[Draft, Bool[Tensor, " b"], int]:
        """The first valid one of some more attempts, which rows had one, and how many attempts that makes.

        A few rows cost as much as many, so small batches draw several attempts at once; which attempt a row gets is
        the same however many are drawn together.
        """
        count = len(life)
        together = max(1, min(8, _TOGETHER // max(1, count)))
        numbers = torch.arange(tried, tried + together, device=life.device)
        keys = child_key(life[:, None].expand(count, together), numbers.expand(count, together)).flatten()
        draft, valid = self.draw(keys)
        if together == 1:
            return draft, valid, tried + 1
        valid = valid.view(count, together)
        first = valid.to(torch.uint8).argmax(dim=1)
        rows = torch.arange(count, device=life.device) * together + first
        return draft.rows(rows), valid.any(dim=1), tried + together


def time_limit(max_steps: object, usual: int) -> int:
    """The option `max_steps`: `usual` where nobody gave it.

    Raises:
        ConfigError: it is no whole number in 1..1,000,000.
    """
    return usual if max_steps is None else require_whole("max_steps", max_steps, 1, 1_000_000)


def among(name: str, value: object, choices: tuple[object, ...]) -> None:
    """An option that is one of a few.

    Raises:
        ConfigError: it is not.
    """
    if value not in choices:
        raise ConfigError(f"`{name}` must be one of {', '.join(map(repr, choices))}; got {value!r}.")
