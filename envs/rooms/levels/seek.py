"""Seek: go to the thing that the instruction means, and face no other. The room, the things and the instruction.

In every episode one sense decides: looks ("go to the red ball") or sound ("go to the ringing object"). All things
differ in the deciding attribute and any of them may be meant, so an agent that misses that attribute, or the
instruction, can only guess: 1/n. If only the target were unique, "the odd one out" would give it away. The other
attribute is drawn for each thing alone, or is common to all (SeekHeard).

Every one of the things can be reached without facing another (`Scatter`).

b environments, m objects, d values of an attribute
"""

import functools
import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ....perception.checks import require_whole
from ....perception.errors import ConfigError
from ..codes import KEY
from ..missions import go_to, sounding, thing
from ..random import draw_bits, mix
from ..state import GO_TO
from .floor_plan import FloorPlan
from .level import FREE_BITS, THINGS, Draft, Level, among, time_limit
from .placing import Scatter

SIZES = {"small": (6, 3, 3, 4), "medium": (8, 5, 6, 6), "large": (12, 8, 6, 8)}
"""Of each size: cells along the room's inside, objects, colours, sounds."""

SPEECH_STEPS = 24
"""How much longer an episode may take where the instruction has to be heard out first."""

HELD_OUT_PERCENT = 20
_HELD_OUT_SALT = 1

_LOOKS, _SOUND = range(2)  # the deciding attribute
_AGENT, _HEADING, _SLOT, _DECIDES, _COMBINATION, _FIRST = range(6)  # numbers of draws


@functools.cache
def held_out(colours: int, sounds: int) -> Bool[Tensor, "looks sounds"]:
    """The combinations of look and sound that training never shows: a fixed fifth, chosen by hash.

    A look is kind * colours + colour. Kinds, colours and sounds have equal shares in what is held out, and no pair of
    colour and kind, colour and sound, or kind and sound is held out altogether: training shows each of them in other
    combinations.
    """
    shape = (len(THINGS), colours, sounds)
    is_held_out = torch.zeros(shape, dtype=torch.bool)
    wanted = round(is_held_out.numel() * HELD_OUT_PERCENT / 100)
    for number in mix(torch.arange(is_held_out.numel()) + _HELD_OUT_SALT).argsort().tolist():
        if int(is_held_out.sum()) == wanted:
            break
        tried = is_held_out.clone()
        tried.view(-1)[number] = True
        shares_are_equal = all(
            int(tried.movedim(axis, 0).flatten(1).sum(dim=1).max()) <= math.ceil(wanted / size)
            for axis, size in enumerate(shape)
        )
        if shares_are_equal and not any(bool(tried.all(dim=axis).any()) for axis in range(3)):
            is_held_out = tried
    return is_held_out.view(-1, sounds)


class Seek(Level):
    """Looks or sound decide, by the toss of a coin: every sense is needed.

    Args:
        size: "small", "medium" or "large" (SIZES): the room, and how many things, colours and sounds.
        objects: things in the room, the size's own number unless given; chance is 1 / objects.
        split: None draws from all combinations of colour, kind and sound; "train" never shows one that is held out
            (`held_out`); with "test" the thing that is meant always has one that is, the others may. In either, an
            agent without the deciding sense cannot tell the target from the others by what is held out (`_others`).
        max_steps: time limit; the cells of the world unless given, and `SPEECH_STEPS` more in SeekSpoken.

    Raises:
        ConfigError: an option is out of range, or nothing is left to draw from.
    """

    verb = GO_TO
    may_reject = False
    deciding: ClassVar[tuple[int, ...]] = (_LOOKS, _SOUND)
    all_look_alike: ClassVar[bool] = False

    def __init__(
        self,
        size: Literal["small", "medium", "large"] = "small",
        objects: int | None = None,
        split: Literal["train", "test"] | None = None,
        max_steps: int | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        among("size", size, tuple(SIZES))
        among("split", split, (None, "train", "test"))
        inner, usual, self.colours, self.sounds = SIZES[size]
        looks = len(THINGS) * self.colours
        most = min(
            self.sounds if _SOUND in self.deciding else looks, (inner**2 - 1) // 9
        )  # the agent and each object take up to nine cells
        objects = usual if objects is None else require_whole("objects", objects, 2, most, why=f'for size "{size}"')
        plan = FloorPlan(1, inner + 2, device)
        limit = time_limit(max_steps, plan.width**2 + (SPEECH_STEPS if self.spoken else 0))
        super().__init__(plan, objects=objects, max_steps=limit, device=device)
        texts = [
            [go_to(thing("the", kind, colour)) for kind in THINGS for colour in range(self.colours)],
            [go_to(sounding(sound)) for sound in range(self.sounds)],
        ]
        self.missions = tuple(text for which in self.deciding for text in texts[which])

        self._scatter = Scatter(plan, self.objects)
        self._first_other = _FIRST + max(looks, self.sounds)
        self._first_cell = self._first_other + self.objects
        self._draws = torch.arange(self._first_cell + self._scatter.draws, device=device)
        self._tables(split, looks)
        self._slots = torch.arange(self.objects, device=device)
        by_look = [which == _LOOKS for which in self.deciding for _ in texts[which]]
        self.is_decided_by_look = torch.tensor(by_look, device=device)
        self.mission_kinds = tuple("look" if look else "sound" for look in by_look)

    def _tables(self, split: str | None, looks: int) -> None:
        """What may be drawn. `_attributes` reads it, row by row, with random numbers alone.

        A case is a deciding attribute: case 0 looks, case 1 sound, in Seek. `value` is one of its values, `other` one
        of the other attribute's; both are numbers below `most`, the greater of the two counts.

        Size "small" has 9 looks (kind * 3 + colour) and 4 sounds, so `most` is 9. Training holds out 7 of the 36 pairs,
        among them look 2 with sound 0 and look 8 with sounds 0 and 1. The tables of `split="train"` then are

            _common    0 1 2 3 | 0 1 2 3 4 5 6 7   For each row an `other`: first sounds (case 0), then looks (case 1).
                                                   Look 8 is no row: only 2 sounds go with it, too few for 3 objects.
            _blocked   row 0: looks 2 and 8        For each row the `value`s that do not go with its `other`: 0 where
                       row 4: sound 3, and 4..8    one may be drawn, above any random rank (FREE_BITS) elsewhere.
            _counts    4, 8                        Rows of each case.
            _starts    0, 4                        Its first row.
            _goes_with [case, value, other]        Which pairs may be drawn; with "test", which are held out.
            _mission_start 0, 9                    Its first mission: "go to the ringing object" is number 9 + 0.

        An episode of case 0 draws one of rows 0 to 3, say row 0, sound 0; then 3 looks that differ, never 2 or 8. In
        SeekHeard that row's `other` is what all objects look like. Elsewhere each object draws its own (`_others`), and
        the row only sees to it that there is one that goes with all of them.
        """
        is_held_out, device = held_out(self.colours, self.sounds), self._draws.device
        may_be = ~is_held_out if split == "train" else torch.ones_like(is_held_out)  # looks sounds
        partners = is_held_out if split == "test" else may_be  # of the target, at least
        self._asks_all = split == "train"
        self._held_out = is_held_out.nonzero().to(device) if split == "test" else None
        self._is_looks = torch.tensor([which == _LOOKS for which in self.deciding], device=device)
        self._mission_start = torch.tensor([0, looks][: len(self.deciding)], device=device)
        most = max(looks, self.sounds)
        self._goes_with = torch.zeros(len(self.deciding), most, most, dtype=torch.bool, device=device)
        common, blocked, counts = [], [], []
        for case, which in enumerate(self.deciding):
            goes_with, table = (partners, may_be) if which == _LOOKS else (partners.T, may_be.T)  # value other
            self._goes_with[case, : len(table), : table.shape[1]] = goes_with
            # The rows: an `other` that enough objects can have. Where nothing is held out, any one stands for all.
            usable = (table.sum(dim=0) >= self.objects).nonzero().flatten()
            usable = usable if self.all_look_alike or self._asks_all else usable[:1]
            if len(usable) == 0:
                raise ConfigError(
                    f'`objects` must be lower for {self.name} with `split` "{split}", which holds out too much for so '
                    f"many that look or sound alike; got {self.objects}."
                )
            rows = torch.full((len(usable), most), FREE_BITS + 1)
            rows[:, : len(table)].masked_fill_(table[:, usable].T, 0)
            common.append(usable)
            blocked.append(rows)
            counts.append(len(usable))
        self._common, self._blocked = torch.cat(common).to(device), torch.cat(blocked).to(device)
        self._counts = torch.tensor(counts, device=device)
        self._starts = self._counts.cumsum(dim=0) - self._counts

    def draw(self, key: Int[Tensor, " b"]) -> tuple[Draft, Bool[Tensor, " b"]]:
        """A world for each key; every one is valid."""
        bits = draw_bits(key, self._draws)
        target = bits[:, _SLOT, None] % self.objects
        look, sound, mission = self._attributes(bits, target)
        agent, cell = self._scatter.place(bits[:, _AGENT], bits[:, self._first_cell :])
        is_target = self._slots == target
        draft = Draft(
            agent_cell=agent,
            heading=bits[:, _HEADING] % 4,
            object_kind=look // self.colours + KEY,
            object_colour=look % self.colours,
            object_cell=cell,
            mission=mission,
            is_target=is_target,
            is_wrong=~is_target,
            object_sound=sound,
        )
        return draft, torch.ones_like(agent, dtype=torch.bool)

    def _attributes(
        self, bits: Int[Tensor, "b n"], target: Int[Tensor, "b 1"]
    ) -> tuple[Int[Tensor, "b m"], Int[Tensor, "b m"], Int[Tensor, " b"]]:
        """Each object's look and sound, and the mission; see `_tables` for an example."""
        case = bits[:, _DECIDES] % len(self.deciding)
        is_looks = self._is_looks[case, None]
        row = self._starts[case] + bits[:, _COMBINATION] % self._counts[case]
        common = self._common[row]
        # Every value gets a random rank; the objects take the lowest ones, and what is blocked has none so low.
        ranks = (bits[:, _FIRST : _FIRST + self._blocked.shape[1]] >> 1) | self._blocked[row]
        if self._held_out is not None:
            # The target's pair is one that is held out: its value goes before all others.
            meant = self._held_out[bits[:, _COMBINATION] % len(self._held_out)]  # look, sound
            ranks.scatter_(1, torch.where(is_looks, meant[:, :1], meant[:, 1:]), -1)
            common = meant[:, 0]
        value = ranks.topk(self.objects, dim=1, largest=False).indices  # the target's first
        mission = self._mission_start[case] + value[:, 0]
        other = common[:, None].expand_as(value) if self.all_look_alike else self._others(bits, case, value)
        # The first value is the target's, which stands in slot `target`; the others follow around.
        turn = (self._slots - target) % self.objects
        value, other = value.gather(1, turn), other.gather(1, turn)
        return torch.where(is_looks, value, other), torch.where(is_looks, other, value), mission

    def _others(
        self, bits: Int[Tensor, "b n"], case: Int[Tensor, " b"], value: Int[Tensor, "b m"]
    ) -> Int[Tensor, "b m"]:
        """The attribute that does not decide, drawn for each object alone.

        All objects choose from the same values, so that knowing what goes with the value that the instruction names
        tells nothing: in training from those that go with every object's, in the test from those held out with the
        target's.
        """
        asked = value if self._asks_all else value[:, :1]
        count = self._goes_with[case[:, None], asked].all(dim=1).cumsum(dim=1)
        choice = bits[:, self._first_other : self._first_cell] % count[:, -1:]
        return (count[:, None] <= choice[:, :, None]).sum(dim=2)


class SeekSeen(Seek):
    """Looks decide; sounds are no help."""

    deciding = (_LOOKS,)


class SeekHeard(Seek):
    """Sound decides; all things look alike."""

    deciding = (_SOUND,)
    all_look_alike = True


class SeekSpoken(Seek):
    """Seek, its instruction spoken at the start of the episode and never written."""

    spoken = True
