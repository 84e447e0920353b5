"""What a Box of a foreign observation is: a picture, a depth map, sound, tokens, categories or plain numbers.

Each function here reads a box as one sort of thing, or raises a `SpecError` that says why it cannot be; `read_box`
decides by dtype, shape and limits, and what can be meant in two ways is refused with the ways that work.
"""

from collections.abc import Callable

import numpy as np
from gymnasium import spaces

from ...perception.errors import SpecError
from ...perception.spec import MAX_TOKEN, Camera, Depth, Grid, Instruction, Microphone, Vector
from .converters import CategoryGridConverter, Converter, NumbersConverter, SoundConverter, TokenConverter
from .pictures import DepthConverter, PictureConverter
from .wishes import Wishes

MIN_CAMERA_PX = 16
MAX_CHANNELS = 8
MAX_STACKED = 64
"""Channels of pictures that are stacked on each other."""
SOUND_NAMES = frozenset({"audio", "sound", "microphone", "mic"})
TOKEN_NAMES = frozenset({"instruction", "mission", "tokens"})
PICTURE_LIMITS = ((0.0, 1.0), (0.0, 255.0))
"""Black and white of pictures whose numbers are no bytes, where nobody says that they are pictures."""


def read_box(source: str, box: spaces.Box, wishes: Wishes, *, is_alone: bool) -> Converter:
    """Decides what a box is.

    Args:
        source: its name.
        box: the box.
        wishes: what the caller said.
        is_alone: whether it is the only source, which cannot be left out.

    Raises:
        SpecError: it may be several things, or none that is known.
    """
    dtype, rank, name = box.dtype, len(box.shape), source.lower()
    last_name = name.rpartition("_")[2]
    if (dtype == np.int16 and rank in (1, 2)) or (last_name in SOUND_NAMES and rank in (1, 2)):
        return sound(source, box, wishes.sample_rate_hz)
    is_byte = dtype == np.uint8
    if "depth" in name and not is_byte and depth_layout(box):
        return depth(source, box)
    if has_picture_limits(box) and rank in (2, 3, 4):
        layout = picture_layout(box.shape)
        if layout == "last" and box.shape[2] == 4 and "rgba" not in name:
            layout = None
        is_large = layout is not None and min(picture_size(box.shape)) >= MIN_CAMERA_PX
        if layout is not None and (is_large or wishes.size is not None):
            return picture(source, box, wishes.size)
        if (frames := stacked(box.shape)) is not None:
            raise SpecError(_stack_sentence(source, box, frames, wishes))
        if is_byte and layout is not None:
            return categories(source, box)
    elif is_byte and rank in (2, 3) and box.high.max() < 255:
        return categories(source, box)
    elif is_metres(box):
        return depth(source, box)
    if rank == 1 and last_name in TOKEN_NAMES and np.issubdtype(dtype, np.integer) and not is_byte:
        return tokens(source, box)
    if rank <= 1 and not (is_byte and rank == 1):
        return NumbersConverter(source, Vector(int(np.prod(box.shape))), box)
    raise SpecError(
        f'"{source}" is {dtype} of shape {box.shape} within {box.low.min():g}..{box.high.max():g}, which may be '
        f"several things; {_ways(source, box, wishes, is_alone=is_alone)}."
    )


def _stack_sentence(source: str, box: spaces.Box, frames: int, wishes: Wishes) -> str:
    is_rgba = box.shape[2:] == (4,)
    also = f', or, if it is RGBA, pass camera="{source}"' if is_rgba and wishes.camera is None else ""
    return (
        f'"{source}" is {frames} stacked frames, {box.dtype} of shape {box.shape}, but a sense is what is there now; '
        "leave out the wrapper that stacks them, and give the policy a memory of its own (--memory gru)"
        f"{also}."
    )


def _ways(source: str, box: spaces.Box, wishes: Wishes, *, is_alone: bool) -> str:
    """The keywords that settle it: each of them is tried here, so that none leads into the next refusal."""
    rate = 16000 if wishes.sample_rate_hz is None else wishes.sample_rate_hz
    with_rate = f", sample_rate_hz={rate}" if wishes.sample_rate_hz is None else ""
    count = int(np.prod(box.shape))
    tries: list[tuple[str, Callable[[], object]]] = [
        (f'camera="{source}"', lambda: picture(source, box, wishes.size)),
        (f'audio="{source}"{with_rate}', lambda: sound(source, box, rate)),
        (f'kinds={{"{source}": Vector({count})}}', lambda: Vector(count)),
    ]
    if depth_layout(box) is not None:
        height, width = picture_size(box.shape)
        furthest = float(box.high.max()) if np.isfinite(box.high).all() and box.high.max() > 0 else 10.0
        tries.insert(1, (f'kinds={{"{source}": Depth({height}, {width}, {furthest:g})}}', lambda: depth(source, box)))
    found = [text for text, attempt in tries if _works(attempt)]
    found += [] if is_alone else [f'ignore="{source}"']
    return f"pass {', or '.join(found)}"


def _works(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except SpecError:
        return False
    return True


def has_picture_limits(box: spaces.Box) -> bool:
    """Whether its numbers run from black to white: bytes to 255, or others in 0..1 or 0..255."""
    low, high = _limits(box)
    if box.dtype == np.uint8:
        return high == 255
    return (low, high) in (PICTURE_LIMITS if np.issubdtype(box.dtype, np.floating) else PICTURE_LIMITS[1:])


def _limits(box: spaces.Box) -> tuple[float, float]:
    return (float(box.low.min()), float(box.high.max())) if box.low.size else (0.0, 0.0)


def picture(source: str, box: spaces.Box, size: tuple[int, int] | None) -> PictureConverter:
    """A picture whose black and white are the box's limits."""
    layout, (low, high) = picture_layout(box.shape), _limits(box)
    is_even = bool((box.low == box.low.min()).all() and (box.high == box.high.max()).all())
    if layout is None or not (is_even and np.isfinite((low, high)).all() and low < high):
        raise SpecError(
            f'"{source}" must be numbers of shape (height, width), (height, width, 1, 3 or 4) or (1 or 3, height, '
            f"width) between the same limits everywhere to be a camera; got {box.dtype} of shape {box.shape} within "
            f"{low:g}..{high:g}. Convert it in the environment."
        )
    height, width = size if size is not None else picture_size(box.shape)
    kind = Camera(height, width)
    return PictureConverter(
        source, kind, box.shape, np.dtype(box.dtype), low, high, is_channels_first=layout == "first"
    )


def picture_layout(shape: tuple[int, ...]) -> str | None:
    """Where the channels are: "none", "last", "first", or None where this is no picture."""
    if len(shape) == 2:
        return "none"
    if len(shape) == 3 and shape[2] in (1, 3, 4):
        return "last"
    return "first" if len(shape) == 3 and shape[0] in (1, 3) else None


def picture_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """(height, width) of a picture with that layout."""
    first = 1 if picture_layout(shape) == "first" else 0
    return shape[first], shape[first + 1]


def stacked(shape: tuple[int, ...]) -> int | None:
    """How many frames are stacked on each other; None where it does not look like a stack."""
    if len(shape) == 4:
        inner = shape[1:]
        return shape[0] if picture_layout(inner) is not None and min(picture_size(inner)) >= MIN_CAMERA_PX else None
    if len(shape) != 3:
        return None
    channels = min(shape[0], shape[2])
    others = shape[1:] if channels == shape[0] else shape[:2]
    if not 2 <= channels <= MAX_STACKED or min(others) < MIN_CAMERA_PX or channels >= min(others):
        return None
    return channels // 3 if channels % 3 == 0 else channels


def depth_layout(box: spaces.Box) -> str | None:
    """Where a depth map has its one channel; None where it cannot be one."""
    layout = picture_layout(box.shape)
    one_channel = layout == "none" or (layout is not None and 1 in (box.shape[0], box.shape[-1]))
    return layout if np.issubdtype(box.dtype, np.floating) and one_channel and box.low.min() >= 0 else None


def is_metres(box: spaces.Box) -> bool:
    """Whether it is one channel of floats from 0 to some metres."""
    if depth_layout(box) is None or min(picture_size(box.shape)) < MIN_CAMERA_PX:
        return False
    return bool(np.isfinite(box.high).all())


def depth(source: str, box: spaces.Box, kind: Depth | None = None) -> DepthConverter:
    """A depth map up to its upper limit, or up to that of the kind."""
    if depth_layout(box) is None:
        raise SpecError(
            f'"{source}" must be floats in metres, of shape (height, width) or with one channel, and not below 0, to '
            f"be a depth map; got {box}. Convert it in the environment."
        )
    height, width = picture_size(box.shape)
    furthest = float(box.high.max())
    if kind is None and not np.isfinite(furthest):
        raise SpecError(
            f'"{source}" is a depth map whose space does not say how far it sees; pass '
            f'kinds={{"{source}": Depth({height}, {width}, 10)}} for 10 metres.'
        )
    return DepthConverter(source, kind or Depth(height, width, furthest), box.shape)


def categories(source: str, box: spaces.Box) -> CategoryGridConverter:
    """A grid in which every channel has as many categories as its limits allow."""
    high = box.high.reshape(*box.shape[:2], -1)
    sizes = tuple(int(size) + 1 for size in high.max(axis=(0, 1)))
    return CategoryGridConverter(source, Grid(high.shape[0], high.shape[1], sizes), box.shape)


def sound(source: str, box: spaces.Box, rate_hz: int | None, kind: Microphone | None = None) -> SoundConverter:
    """Channels are the short axis, at most 8; a single axis is one channel."""
    shape, dtype = box.shape, np.dtype(box.dtype)
    if (dtype not in (np.int16, np.uint8) and dtype.kind != "f") or len(shape) not in (1, 2):
        raise SpecError(
            f'"{source}" must be int16, uint8 or float samples in one or two axes to be sound; got {dtype} of shape '
            f"{shape}. Convert it in the environment."
        )
    if rate_hz is None:
        raise SpecError(f'"{source}" is sound, whose rate no space can carry; pass sample_rate_hz=....')
    scale = _full_scale(source, box)
    if kind is not None and shape in (kind.shape, kind.shape[::-1], kind.shape[1:]):
        is_last = shape == kind.shape[::-1] and shape != kind.shape
        return SoundConverter(source, kind, shape, dtype, is_channels_last=is_last, full_scale=scale)
    if len(shape) == 1:
        return SoundConverter(source, Microphone(1, shape[0], rate_hz), shape, dtype, full_scale=scale)
    channels, samples = min(shape), max(shape)
    if channels == samples or channels > MAX_CHANNELS:
        raise SpecError(
            f'"{source}" has shape {shape}, in which channels cannot be told from samples; pass '
            f'kinds={{"{source}": Microphone(channels, samples, sample_rate_hz)}}.'
        )
    is_last = shape[1] == channels
    heard = Microphone(channels, samples, rate_hz)
    return SoundConverter(source, heard, shape, dtype, is_channels_last=is_last, full_scale=scale)


def _full_scale(source: str, box: spaces.Box) -> float:
    """What the samples call the loudest: floats are within -1..1, or 16-bit samples that are not scaled."""
    low, high = _limits(box)
    if np.dtype(box.dtype).kind != "f" or (low >= -1.0 and high <= 1.0) or not np.isfinite((low, high)).all():
        return 1.0
    if low >= -32768.0 and 32767.0 <= high <= 32768.0:
        return 32768.0
    raise SpecError(
        f'"{source}" is sound within {low:g}..{high:g}, so that nobody knows how loud it is; declare -1..1 or '
        "-32768..32767 in its space, and scale it so."
    )


def tokens(source: str, box: spaces.Box) -> TokenConverter:
    """Token ids of the environment's own."""
    is_whole = np.issubdtype(box.dtype, np.integer)
    if not is_whole or len(box.shape) != 1 or box.low.min() < 0 or box.high.max() > MAX_TOKEN:
        raise SpecError(
            f'"{source}" must be text, or integers (max_tokens,) from 0 up, to be an instruction; got {box}. Convert '
            "it in the environment."
        )
    return TokenConverter(source, Instruction(box.shape[0], int(box.high.max()) + 1))
