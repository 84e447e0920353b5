"""Which source of a foreign observation becomes which sense: inferred from dtype and shape, or as the caller says.

`infer` looks at spaces only. What can be meant in two ways is refused in a sentence that says how to settle it, never
guessed; a source's name counts as evidence for sound and for token ids alone. `converters.py` does the converting.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from ...perception.errors import SpecError, did_you_mean
from ...perception.spec import MAX_TOKEN, PRESENT, Camera, Grid, Instruction, Kind, Microphone, Vector
from ...perception.tokenizer import Tokenizer
from .converters import (
    CategoriesConverter,
    CategoryGridConverter,
    Converter,
    NumbersConverter,
    PictureConverter,
    SoundConverter,
    TextConverter,
    TokenConverter,
)

MIN_CAMERA_PX = 16
MAX_CHANNELS = 8
SOUND_NAMES = frozenset({"audio", "sound", "microphone", "mic"})
TOKEN_NAMES = frozenset({"instruction", "mission", "tokens"})
BARE_SOURCE = "observation"
"""The name of the only source of an environment whose observation is not a Dict."""


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What the caller said about the sources, all by source name; see `adapt`."""

    camera: str | None = None
    audio: str | None = None
    instruction: str | None = None
    sample_rate_hz: int | None = None
    size: tuple[int, int] | None = None
    max_tokens: int = 48
    kinds: Mapping[str, Kind] = dataclasses.field(default_factory=dict)
    ignore: tuple[str, ...] = ()


def infer(space: spaces.Space[Any], wishes: Wishes, tokenizer: Tokenizer) -> dict[str, Converter]:
    """Decides on a name and a converter for every source.

    Returns:
        Sense name -> converter, in no particular order; the `present` key of a Dict is left out.

    Raises:
        SpecError: a source is ambiguous, nested or of no known kind, or a wish names no source.
    """
    sources = dict(space.spaces) if isinstance(space, spaces.Dict) else {BARE_SOURCE: space}
    sources.pop(PRESENT, None)
    wished = {"camera": wishes.camera, "audio": wishes.audio, "instruction": wishes.instruction}
    for name in [*filter(None, wished.values()), *wishes.kinds, *wishes.ignore]:
        if name not in sources:
            raise SpecError(f'The observation has no source "{name}"; {did_you_mean(name, sources)}')
    converters = [
        _read_source(source, box, wishes, tokenizer) for source, box in sources.items() if source not in wishes.ignore
    ]
    return _name_senses(converters, wished, is_bare=not isinstance(space, spaces.Dict))


def _name_senses(
    converters: list[Converter], wished: Mapping[str, str | None], *, is_bare: bool
) -> dict[str, Converter]:
    """The only picture is `camera`, the only sound `audio`, the only text `instruction`; others keep their names."""
    standard = {Camera: "camera", Microphone: "audio", Instruction: "instruction", Grid: "grid"}
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


def _read_source(source: str, space: spaces.Space[Any], wishes: Wishes, tokenizer: Tokenizer) -> Converter:
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
        return NumbersConverter(source, Vector(int(np.prod(space.shape))), space.shape)
    if not isinstance(space, spaces.Box):
        raise SpecError(
            f'"{source}" is a {type(space).__name__}, which is no sense; flatten it with gymnasium.wrappers, or leave '
            f'it out with ignore=["{source}"].'
        )
    if source == wishes.audio:
        return _sound(source, space, wishes.sample_rate_hz)
    if source == wishes.camera:
        return _picture(source, space, wishes.size)
    if source == wishes.instruction:
        return _tokens(source, space)
    return _read_box(source, space, wishes)


def _read_box(source: str, box: spaces.Box, wishes: Wishes) -> Converter:
    dtype, rank = box.dtype, len(box.shape)
    sounds = source.lower() in SOUND_NAMES and rank in (1, 2)
    if (dtype == np.int16 and rank in (1, 2)) or sounds:
        return _sound(source, box, wishes.sample_rate_hz)
    if dtype == np.uint8 and rank in (2, 3):
        highest = box.high.max()
        is_picture = highest == 255 and _picture_layout(box.shape) is not None
        if is_picture and (wishes.size is not None or min(_picture_size(box.shape)) >= MIN_CAMERA_PX):
            return _picture(source, box, wishes.size)
        if highest < 255 or is_picture:
            return _categories(source, box)
        raise SpecError(
            f'"{source}" is uint8 of shape {box.shape}, neither grey nor RGB; pass kinds={{"{source}": Grid(...)}}, or '
            f'leave it out with ignore=["{source}"].'
        )
    if dtype == np.uint8 and rank == 1:
        raise SpecError(
            f'"{source}" is uint8 of shape {box.shape}, which may be sound or numbers; pass audio="{source}" or '
            f'kinds={{"{source}": Vector({box.shape[0]})}}.'
        )
    if rank == 1 and source.lower() in TOKEN_NAMES and np.issubdtype(dtype, np.integer):
        return _tokens(source, box)
    if rank <= 1:
        return NumbersConverter(source, Vector(int(np.prod(box.shape))), box.shape)
    raise SpecError(
        f'"{source}" is {dtype} of shape {box.shape}, which may be many things; pass audio="{source}", '
        f'kinds={{"{source}": Vector({int(np.prod(box.shape))})}}, or ignore=["{source}"].'
    )


def _as_kind(source: str, space: spaces.Space[Any], kind: Kind, wishes: Wishes, tokenizer: Tokenizer) -> Converter:
    """Reads the source as the kind that the caller named, if its values can be."""
    converter: Converter | None = None
    if isinstance(kind, Instruction) and is_text(space):
        converter = TextConverter(source, kind, tokenizer)
    elif isinstance(kind, Vector) and isinstance(space, (spaces.Box, spaces.MultiBinary)):
        converter = NumbersConverter(source, Vector(int(np.prod(space.shape))), space.shape)
    elif isinstance(kind, Vector) and not isinstance(space, spaces.Box):
        converter = _read_source(source, space, dataclasses.replace(wishes, kinds={}), tokenizer)
    elif isinstance(space, spaces.Box):
        if isinstance(kind, Camera):
            converter = _picture(source, space, (kind.height, kind.width))
        elif isinstance(kind, Microphone):
            converter = _sound(source, space, kind.sample_rate_hz, kind)
        elif isinstance(kind, Instruction):
            converter = dataclasses.replace(_tokens(source, space), kind=kind)
        elif isinstance(kind, Grid) and int(np.prod(space.shape)) == int(np.prod(kind.shape)):
            converter = CategoryGridConverter(source, kind, space.shape)
    if converter is None or converter.kind.shape != kind.shape:
        raise SpecError(f'"{source}", {space}, cannot be read as {kind}; give a kind that fits it.')
    return converter


def _picture(source: str, box: spaces.Box, size: tuple[int, int] | None) -> PictureConverter:
    layout = _picture_layout(box.shape)
    if box.dtype != np.uint8 or layout is None:
        raise SpecError(
            f'"{source}" must be uint8 of shape (height, width), (height, width, 1 or 3) or (1 or 3, height, width) to '
            f"be a camera; got {box.dtype} of shape {box.shape}. Convert it in the environment."
        )
    height, width = size if size is not None else _picture_size(box.shape)
    return PictureConverter(source, Camera(height, width), box.shape, is_channels_first=layout == "first")


def _picture_layout(shape: tuple[int, ...]) -> str | None:
    """Where the channels are: "none", "last", "first", or None where this is no picture."""
    if len(shape) == 2:
        return "none"
    if len(shape) == 3 and shape[2] in (1, 3):
        return "last"
    return "first" if len(shape) == 3 and shape[0] in (1, 3) else None


def _picture_size(shape: tuple[int, ...]) -> tuple[int, int]:
    first = 1 if _picture_layout(shape) == "first" else 0
    return shape[first], shape[first + 1]


def _categories(source: str, box: spaces.Box) -> CategoryGridConverter:
    high = box.high.reshape(*box.shape[:2], -1)
    sizes = tuple(int(size) + 1 for size in high.max(axis=(0, 1)))
    return CategoryGridConverter(source, Grid(high.shape[0], high.shape[1], sizes), box.shape)


def _sound(source: str, box: spaces.Box, rate_hz: int | None, kind: Microphone | None = None) -> SoundConverter:
    """Channels are the short axis, at most 8; a single axis is one channel."""
    shape, dtype = box.shape, box.dtype
    if dtype not in (np.int16, np.uint8) and not np.issubdtype(dtype, np.floating) or len(shape) not in (1, 2):
        raise SpecError(
            f'"{source}" must be int16, uint8 or float samples in one or two axes to be sound; got {dtype} of shape '
            f"{shape}. Convert it in the environment."
        )
    if rate_hz is None:
        raise SpecError(f'"{source}" is sound, whose rate no space can carry; pass sample_rate_hz=....')
    if kind is not None and shape in (kind.shape, kind.shape[::-1], kind.shape[1:]):
        return SoundConverter(source, kind, shape, is_channels_last=shape == kind.shape[::-1] and shape != kind.shape)
    if len(shape) == 1:
        return SoundConverter(source, Microphone(1, shape[0], rate_hz), shape)
    channels, samples = min(shape), max(shape)
    if channels == samples or channels > MAX_CHANNELS:
        raise SpecError(
            f'"{source}" has shape {shape}, in which channels cannot be told from samples; pass '
            f'kinds={{"{source}": Microphone(channels, samples, sample_rate_hz)}}.'
        )
    return SoundConverter(source, Microphone(channels, samples, rate_hz), shape, is_channels_last=shape[1] == channels)


def _tokens(source: str, box: spaces.Box) -> TokenConverter:
    if (
        not np.issubdtype(box.dtype, np.integer)
        or len(box.shape) != 1
        or box.low.min() < 0
        or box.high.max() > MAX_TOKEN
    ):
        raise SpecError(
            f'"{source}" must be text, or integers (max_tokens,) from 0 up, to be an instruction; got {box}. Convert '
            "it in the environment."
        )
    return TokenConverter(source, Instruction(box.shape[0], int(box.high.max()) + 1))


def is_text(space: spaces.Space[Any]) -> bool:
    """Whether the space holds strings: Gymnasium's Text, or one of an environment's own such as MiniGrid's missions."""
    return isinstance(space, spaces.Text) or (space.dtype is not None and space.dtype.kind == "U")
