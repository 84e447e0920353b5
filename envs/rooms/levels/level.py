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

from ....perception.errors import ConfigError
from ..codes import BALL, BOX, CLOSED, COLOURS, DOOR, KEY, SILENT, SIZES, SOUNDS, WALL_CODE
from ..draws import child_key, draw_bits, life_key
from ..missions import VOICES
from ..state import GONE, RoomsState

THINGS = (KEY, BALL, BOX)
"""Kinds of objects other than doors, in the order in which missions are listed."""

PHASES = 10
"""Steps in the loop of a sound."""

FREE_BITS = (1 << 62) - 1
"""A draw under this mask is a random rank; the next bit marks what must not be drawn."""

_TOGETHER = 256
_LIFE = 1 << 40  # number of the branch of what no attempt changes; attempts count from 0


@dataclasses.dataclass
class Draft:
    """A world and its mission, as drawn: what of `RoomsState` differs between levels, under the same names."""

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
    """A family of episodes. Sub-classes set what is listed here, and draw.

    Attributes:
        height, width: of the world, in cells.
        objects: slots for objects, doors included.
        missions: the texts of all its missions; `RoomsState.mission` is a row of this tuple.
        max_steps: actions after which an episode is truncated.
        spoken: the instruction is spoken unless the environment is told otherwise.
    """

    verb: ClassVar[int]
    spoken: ClassVar[bool] = False
    may_reject: ClassVar[bool] = True
    height: int
    width: int
    objects: int
    missions: tuple[str, ...]
    max_steps: int
    walls: Tensor
    device: torch.device

    @property
    def name(self) -> str:
        """As in `LEVELS`."""
        return type(self).__name__

    def draw(self, key: Int[Tensor, " b"]) -> tuple[Draft, Bool[Tensor, " b"] | None]:
        """One attempt for each key, and which of them are valid (None: all)."""
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
        """The first valid attempt of each row.

        A few rows cost as much as many, so small batches draw several attempts at once; which attempt is taken is the
        same however many are drawn.
        """
        if not self.may_reject:
            return self.draw(child_key(life, 0))[0]
        draft, pending, life_left, attempt = None, None, life, 0
        while True:
            count = len(life_left)
            copies = max(1, min(8, _TOGETHER // max(1, count)))
            numbers = torch.arange(attempt, attempt + copies, device=life.device)
            keys = child_key(life_left[:, None].expand(count, copies), numbers.expand(count, copies)).flatten()
            drawn, valid = self.draw(keys)
            if valid is None:
                valid = torch.ones_like(keys, dtype=torch.bool)
            if copies > 1:
                valid = valid.view(count, copies)
                first = valid.to(torch.uint8).argmax(dim=1)
                drawn = drawn.rows(first + torch.arange(count, device=life.device) * copies)
                valid = valid.any(dim=1)
            if draft is None:
                draft, pending = drawn, (~valid).nonzero().flatten()
            else:
                done = valid.nonzero().flatten()
                draft.write(pending[done], drawn.rows(done))
                pending = pending[(~valid).nonzero().flatten()]
            attempt += copies
            if len(pending) == 0:
                return draft
            if attempt >= 100_000:
                raise ConfigError(f"{self.name} found no valid world in {attempt} attempts; ask for fewer objects.")
            life_left = life[pending]

    def _set(self, *, device: torch.device | str, has_doors: bool = False) -> None:
        """Called at the end of a sub-class's construction."""
        self.device = torch.device(device)
        self.has_doors = has_doors
        self._life_draws = torch.arange(2 * self.objects + 1, device=device)


def attributes(bits: Int[Tensor, "b n"], below: int) -> Int[Tensor, "b n"]:
    """Whole numbers in 0..below - 1 of random bits."""
    return bits % below


def whole(name: str, value: object, low: int, high: int, why: str = "") -> int:
    """An option that is a whole number in low..high.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"`{name}` must be a whole number in {low}..{high}{why}; got {value!r}.")
    return value


def among(name: str, value: object, choices: tuple[object, ...]) -> None:
    """An option that is one of a few.

    Raises:
        ConfigError: it is not.
    """
    if value not in choices:
        raise ConfigError(f"`{name}` must be one of {', '.join(map(repr, choices))}; got {value!r}.")


COLOUR_COUNT = len(COLOURS)
CLOSED_DOOR = CLOSED
