"""Which source of a foreign observation becomes which sense: inferred from dtype and shape, or as the caller says.

`infer` looks at spaces only. What can be meant in two ways is refused in a sentence that says how to settle it, never
guessed; a source's name counts as evidence for sound, token ids, depth and RGBA alone. `boxes.py` reads single boxes,
`converters.py` and `pictures.py` do the converting.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from ...perception.errors import SpecError, did_you_mean
from ...perception.spec import Camera, Depth, Grid, Instruction, Kind, Microphone, Vector
from ...perception.tokenizer import Tokenizer
from . import boxes
from .converters import CategoriesConverter, CategoryGridConverter, Converter, NumbersConverter, TextConverter
from .sources import BARE_SOURCE as BARE_SOURCE
from .sources import named_by, sources_of
from .wishes import Tell, Wishes

GIVEN = "instruction"
"""The source of an instruction that no observation holds: what the caller says to `adapt`."""


@dataclasses.dataclass(frozen=True)
class Found:
    """How an observation is read.

    Attributes:
        converters: sense -> converter, in no particular order.
        tell: what gives the instruction, where the caller did; its converter has the source `GIVEN`.
    """

    converters: dict[str, Converter]
    tell: Tell | None = None


def infer(space: spaces.Space[Any], wishes: Wishes, tokenizer: Tokenizer) -> Found:
    """Decides on a name and a converter for every source; the `present` key of a Dict is left out.

    Raises:
        SpecError: a source is ambiguous or of no known kind, or a wish names no source.
    """
    sources = sources_of(space)
    tell = None
    if wishes.instruction is not None and wishes.instruction not in sources:
        tell = _tell(wishes.instruction, list(sources))
        wishes = dataclasses.replace(wishes, instruction=None)
    wished = {"camera": wishes.camera, "audio": wishes.audio, "instruction": wishes.instruction}
    for name in [*filter(None, wished.values()), *wishes.kinds]:
        if name not in sources:
            raise SpecError(f'The observation has no source "{name}"; {did_you_mean(str(name), sources)}')
    left_out = {own for name in wishes.ignore for own in named_by(name, sources)}
    kept = {name: source for name, source in sources.items() if name not in left_out}
    converters = [
        read_source(name, source.space, wishes, tokenizer, is_alone=len(kept) == 1) for name, source in kept.items()
    ]
    if tell is not None:
        if GIVEN in kept:
            raise SpecError(
                f'The observation has a source "{GIVEN}" already; to say another instruction, pass '
                f'ignore="{GIVEN}" too.'
            )
        converters.append(TextConverter(GIVEN, tokenizer.instruction(wishes.max_tokens), tokenizer))
        wished["instruction"] = GIVEN
    is_bare = list(sources) == [BARE_SOURCE]
    return Found(_name_senses(converters, wished, is_bare=is_bare), tell)


class Constant:
    """Says one instruction all the time.

    Args:
        text: the instruction.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __call__(self, observation: Any, info: Mapping[str, Any]) -> str:
        """The instruction."""
        return self._text


def _tell(given: Any, sources: list[str]) -> Tell:
    """What gives the instruction that the caller said: a function, or a text of several words."""
    if not isinstance(given, str):
        return given
    if len(given.split()) > 1:
        return Constant(given)
    raise SpecError(
        f'The observation has no source "{given}"; {did_you_mean(given, sources)} An instruction of one word is said '
        f"by instruction=lambda observation, info: {given!r}."
    )


def _name_senses(converters: list[Converter], wished: Mapping[str, Any], *, is_bare: bool) -> dict[str, Converter]:
    """The only picture is `camera`, the only sound `audio`, the only text `instruction`; others keep their names."""
    standard: dict[type[Kind], str] = {
        Camera: "camera", Depth: "depth", Microphone: "audio", Instruction: "instruction", Grid: "grid"
    }  # fmt: skip
    if is_bare:
        standard[Vector] = "vector"
    named: dict[str, Converter] = {}
    sources = {converter.source for converter in converters}
    for converter in converters:
        name = standard.get(type(converter.kind), converter.source)
        same = [other.source for other in converters if type(other.kind) is type(converter.kind)]
        chosen = wished.get(name)
        if chosen != converter.source and (chosen is not None or len(same) > 1 or (name in sources and not is_bare)):
            name = converter.source
        name = re.sub(r"\W", "_", name)
        name = f"_{name}" if name[:1].isdigit() else name
        if name in named:
            raise SpecError(
                f'"{converter.source}" and "{named[name].source}" would both be "{name}"; rename one of them.'
            )
        named[name] = converter
    if not named:
        raise SpecError("The observation has no source left to sense; ignore fewer of them.")
    return named


def read_source(
    source: str, space: spaces.Space[Any], wishes: Wishes, tokenizer: Tokenizer, *, is_alone: bool = False
) -> Converter:
    """Decides what one source is; see `infer`."""
    if source in wishes.kinds:
        return _as_kind(source, space, wishes.kinds[source], wishes, tokenizer)
    if is_text(space):
        return TextConverter(source, tokenizer.instruction(wishes.max_tokens), tokenizer)
    if isinstance(space, spaces.Discrete):
        return CategoriesConverter(source, Vector(int(space.n)), (int(space.start),), (int(space.n),))
    if isinstance(space, spaces.MultiDiscrete):
        sizes = tuple(int(size) for size in space.nvec.reshape(-1))
        starts = tuple(int(start) for start in space.start.reshape(-1))
        return CategoriesConverter(source, Vector(sum(sizes)), starts, sizes)
    if isinstance(space, spaces.MultiBinary):
        return NumbersConverter(source, Vector(int(np.prod(space.shape))), space)
    if not isinstance(space, spaces.Box):
        leave_out = "" if is_alone else f', or leave it out with ignore="{source}"'
        raise SpecError(
            f'"{source}" is a {type(space).__name__}, which has no fixed size and is no sense; make it a Box with '
            f"gymnasium.wrappers.TransformObservation{leave_out}."
        )
    if source == wishes.audio:
        return boxes.sound(source, space, wishes.sample_rate_hz)
    if source == wishes.camera:
        return boxes.picture(source, space, wishes.size)
    if source == wishes.instruction:
        return boxes.tokens(source, space)
    return boxes.read_box(source, space, wishes, is_alone=is_alone)


def _as_kind(source: str, space: spaces.Space[Any], kind: Kind, wishes: Wishes, tokenizer: Tokenizer) -> Converter:
    """Reads the source as the kind that the caller named, if its values can be."""
    converter: Converter | None = None
    if isinstance(kind, Instruction) and is_text(space):
        converter = TextConverter(source, kind, tokenizer)
    elif isinstance(kind, Vector) and isinstance(space, (spaces.Box, spaces.MultiBinary)):
        converter = NumbersConverter(source, Vector(int(np.prod(space.shape))), space)
    elif isinstance(kind, Vector) and not isinstance(space, spaces.Box):
        converter = read_source(source, space, dataclasses.replace(wishes, kinds={}), tokenizer)
    elif isinstance(space, spaces.Box):
        if isinstance(kind, Camera):
            converter = boxes.picture(source, space, (kind.height, kind.width))
        elif isinstance(kind, Depth):
            converter = boxes.depth(source, space, kind)
        elif isinstance(kind, Microphone):
            converter = boxes.sound(source, space, kind.sample_rate_hz, kind)
        elif isinstance(kind, Instruction):
            converter = dataclasses.replace(boxes.tokens(source, space), kind=kind)
        elif isinstance(kind, Grid) and int(np.prod(space.shape)) == int(np.prod(kind.shape)):
            converter = CategoryGridConverter(source, kind, space.shape)
    is_fit = converter is not None and converter.kind.shape == kind.shape
    if is_fit and isinstance(converter, boxes.DepthConverter):
        is_fit = boxes.picture_size(converter.shape) == kind.shape
    if converter is None or not is_fit:
        raise SpecError(f'"{source}", {space}, cannot be read as {kind}; give a kind that fits it.')
    return converter


def is_text(space: spaces.Space[Any]) -> bool:
    """Whether the space holds strings: Gymnasium's Text, or one of an environment's own such as MiniGrid's missions."""
    return isinstance(space, spaces.Text) or (space.dtype is not None and space.dtype.kind == "U")
