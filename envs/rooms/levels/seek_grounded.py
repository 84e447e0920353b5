"""SeekGrounded: five things that share colours, kinds and heights, and one of 70 instructions that fits only one.

The hard size of SeekSeen, in the spirit of the hard task of Chaplot et al.: 14 adjectives ("short", "tall", four
colours, and both together) times 5 nouns ("key", "ball", "box", "object", "one") make 70 instructions, 15 of which
training never shows; chance is 1/5, and 30 actions are all there are.

First a room is drawn, then which of its things is meant, each as likely as the others, then one of the instructions
that fit that thing and no other. A room is drawn only where every one of its things could be meant. So whoever does not
know the instruction can but guess, whatever the room looks like; no odd one out gives anything away. Sounds are drawn
apart from everything else. In every room two things at least differ in their height alone and one of the four colours
is missing, so that no word can be left unheard.

Source: Chaplot et al. 2018, "Gated-Attention Architectures for Task-Oriented Language Grounding" (arXiv 1706.07230).

b environments, m objects, r rooms, l looks (a height, a colour and a kind), i instructions, w words
"""

import functools
import itertools
from typing import Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ....perception.checks import require_whole
from ..codes import COLOURS, KINDS, SHORT, TALL
from ..missions import described, go_to
from ..random import draw_bits, mix
from ..state import GO_TO
from .floor_plan import FloorPlan
from .level import THINGS, Draft, Level, among, time_limit
from .placing import Scatter, kth

INNER = 8
"""Cells along the room's inside."""
MAX_OBJECTS = 5
MAX_STEPS = 30

_HEIGHTS = (SHORT, TALL)
_COLOURS = tuple(COLOURS.index(name) for name in ("red", "green", "blue", "yellow"))
_LOOKS = tuple(itertools.product(_HEIGHTS, _COLOURS, THINGS))
_ADJECTIVES = tuple(pair for pair in itertools.product((None, *_HEIGHTS), (None, *_COLOURS)) if pair != (None, None))
_NOUNS = (*((KINDS[kind], kind) for kind in THINGS), ("object", None), ("one", None))
_MEANINGS = tuple((noun, height, colour, kind) for noun, kind in _NOUNS for height, colour in _ADJECTIVES)

INSTRUCTIONS = tuple(go_to(described(noun, height, colour)) for noun, height, colour, _ in _MEANINGS)
"""All 70."""

_HELD_OUT_OF_NOUN, _HELD_OUT_OF_ADJECTIVES = 3, 2
_HELD_OUT_OF_FORM = {"height and colour": 9, "colour": 4, "height": 2}
"""How many instructions of each noun, of the same adjectives, and with these adjectives are held out, at most."""

_AGENT, _HEADING, _TARGET, _ROOM, _INSTRUCTION, _FIRST = range(6)  # numbers of draws


@functools.cache
def held_out_instructions() -> Bool[Tensor, " i"]:
    """The 15 of the instructions that training never shows, chosen by hash.

    They are three for each noun, two at most for the same adjectives, and as many with a height, a colour or both as
    all instructions have: training shows every word, and every pair of words, in other instructions.
    """
    is_held_out = torch.zeros(len(_NOUNS), len(_ADJECTIVES), dtype=torch.bool)
    left = dict(_HELD_OUT_OF_FORM)
    for number in mix(torch.arange(len(INSTRUCTIONS))).argsort().tolist():
        noun, adjectives = divmod(number, len(_ADJECTIVES))
        height, colour = _ADJECTIVES[adjectives]
        form = "colour" if height is None else "height" if colour is None else "height and colour"
        if (
            left[form] > 0
            and int(is_held_out[noun].sum()) < _HELD_OUT_OF_NOUN
            and int(is_held_out[:, adjectives].sum()) < _HELD_OUT_OF_ADJECTIVES
        ):
            is_held_out[noun, adjectives] = True
            left[form] -= 1
    return is_held_out.flatten()


@functools.cache
def fitting() -> Bool[Tensor, "l i"]:
    """Whether an instruction fits a look."""
    return torch.tensor(
        [
            [all(word in (None, part) for word, part in zip(meaning[1:], look, strict=True)) for meaning in _MEANINGS]
            for look in _LOOKS
        ]
    )


@functools.cache
def _rooms(objects: int, split: str | None) -> tuple[Bool[Tensor, " i"], Int[Tensor, "r m"]]:
    """The instructions of a split, and all sets of looks that a room may have."""
    is_held_out = held_out_instructions()
    is_used = {None: torch.ones_like(is_held_out), "train": ~is_held_out, "test": is_held_out}[split]
    rooms = torch.combinations(torch.arange(len(_LOOKS)), objects)
    _, colour, kind = torch.tensor(_LOOKS)[rooms].unbind(dim=2)
    shape = colour * len(KINDS) + kind
    has_twins = (shape[:, :, None] == shape[:, None]).sum(dim=(1, 2)) > objects
    lacks_colour = torch.stack([(colour != value).all(dim=1) for value in _COLOURS]).any(dim=0)
    rooms = rooms[has_twins & lacks_colour]
    fits = fitting()[rooms] & is_used
    fits_alone = fits.sum(dim=1, keepdim=True, dtype=torch.uint8) == 1
    is_nameable = (fits & fits_alone).any(dim=2).all(dim=1)
    return is_used, rooms[is_nameable]


class SeekGrounded(Level):
    """Go to the thing that an instruction means by its height, its colour and its kind, and face no other.

    Args:
        objects: things in the room, 2 to 5; chance is 1 / objects.
        split: None draws from all 70 instructions; "train" from the 55 that are not held out, "test" from the 15 that
            are (`held_out_instructions`).
        max_steps: time limit.

    Raises:
        ConfigError: an option is out of range.
    """

    verb = GO_TO
    may_reject = False
    has_heights = True
    missions = INSTRUCTIONS

    def __init__(
        self,
        objects: int = MAX_OBJECTS,
        split: Literal["train", "test"] | None = None,
        max_steps: int = MAX_STEPS,
        device: torch.device | str = "cpu",
    ) -> None:
        require_whole("objects", objects, 2, MAX_OBJECTS)
        among("split", split, (None, "train", "test"))
        plan = FloorPlan(1, INNER + 2, device)
        super().__init__(plan, objects=objects, max_steps=time_limit(max_steps, MAX_STEPS), device=device)
        self._scatter = Scatter(plan, objects)
        is_used, rooms = _rooms(objects, split)
        self._rooms = rooms.to(device)
        self._fits = (fitting() & is_used).to(device)
        self._looks = torch.tensor(_LOOKS, device=device)
        self._slots = torch.arange(objects, device=device)
        self._first_cell = _FIRST + objects
        self._draws = torch.arange(self._first_cell + self._scatter.draws, device=device)
        self.is_decided_by_look = torch.ones(len(self.missions), dtype=torch.bool, device=device)

    def draw(self, key: Int[Tensor, " b"]) -> tuple[Draft, Bool[Tensor, " b"]]:
        """A world for each key; every one is valid."""
        bits = draw_bits(key, self._draws)
        order = bits[:, _FIRST : self._first_cell].argsort(dim=1)
        look = self._rooms[bits[:, _ROOM] % len(self._rooms)].gather(1, order)
        target = bits[:, _TARGET, None] % self.objects
        fits = self._fits[look]  # b m i
        fits_alone = fits.sum(dim=1, dtype=torch.uint8) == 1
        fits_target = self._fits[look.gather(1, target)[:, 0]]
        mission = kth((fits_target & fits_alone).long(), bits[:, _INSTRUCTION])
        agent, cell = self._scatter.place(bits[:, _AGENT], bits[:, self._first_cell :])
        height, colour, kind = self._looks[look].unbind(dim=2)
        is_target = self._slots == target
        draft = Draft(
            agent_cell=agent,
            heading=bits[:, _HEADING] % 4,
            object_kind=kind.contiguous(),
            object_colour=colour.contiguous(),
            object_height=height,
            object_cell=cell,
            mission=mission,
            is_target=is_target,
            is_wrong=~is_target,
        )
        return draft, torch.ones_like(agent, dtype=torch.bool)
