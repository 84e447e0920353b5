"""Pictures of single steps: where a policy looked in a frame, a grid, a sound or a sentence, and what moved its choice.

Shares and attributions per token come in; pictures (uint8, RGB) and weighed words come out. What lies where is known
from the encoders: a patch of the frame, a cell of the grid, some frames of the sound, a piece of a word.

n tokens
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from ...envs.opencv import import_cv2
from ...perception.encoders.microphone import AudioEncoder
from ...perception.perception import Perception
from ...perception.spec import Kind
from ...perception.tokenizer import default_tokenizer
from ..show.frame import Picture
from ..show.palette import NEUTRAL
from ..show.pixels import heat
from ..show.readings import draw_reading, is_minigrid

SIDE_PX = 160
STRIP_PX = 14
GLOW, FOR, AGAINST = (255, 176, 32), (40, 170, 255), (255, 84, 48)
"""Colours of attention, and of what spoke for and against the choice."""

STRENGTH = 0.85
DIM = 0.6
"""What lies below the colours is darkened, so that they stand out."""


class WeighedWord(NamedTuple):
    """A piece of the instruction and its weight, -1..1."""

    text: str
    weight: float


def draw_tokens(
    perception: Perception,
    name: str,
    reading: np.ndarray,
    weights: Float[np.ndarray, " n"] | None = None,
    *,
    is_signed: bool = False,
) -> Picture | None:
    """A reading with the weight of each token on it: attention (0..1), or attributions of either sign.

    Args:
        perception: what encodes it.
        name: of the sense.
        reading: without a batch axis.
        weights: one for each token, in any unit: the largest is drawn strongest. None draws the reading alone.
        is_signed: whether they speak for and against something (blue and red), or are attention (orange).

    Returns:
        The picture, with the weights where their tokens lie, or in a strip beneath it; None where the kind has none, as
        a text.

    Raises:
        MissingExtraError: cv2 cannot be imported.
    """
    kind, encoder = perception.spec[name], perception.encoders[name]
    shares = None if weights is None else relative(weights)
    if isinstance(encoder, AudioEncoder):
        return _sound(encoder, reading, shares, is_signed)
    picture = draw_reading(kind, reading, SIDE_PX, NEUTRAL)
    if picture is None:
        return None
    if shares is None:
        return _enlarged(picture)
    patches = _patches(kind, encoder, shares)
    if patches is not None:
        return _enlarged(_blend(picture, _over(picture, encoder, patches), is_signed))
    picture = _enlarged(picture)
    return np.concatenate([picture, _strip(shares, (picture.shape[1], STRIP_PX), is_signed)])


def relative(weights: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Weights divided by the largest absolute one; zeros stay zeros."""
    finite = np.nan_to_num(weights)
    return finite / max(float(np.abs(finite).max(initial=0.0)), 1e-12)


def weighed_words(kind: Kind, ids: np.ndarray, weights: Float[np.ndarray, " n"]) -> list[WeighedWord]:
    """The instruction piece by piece, as it is written, with relative weights; padding is left out.

    Pieces are shown as numbers where the vocabulary is another than the packaged tokenizer's.
    """
    shares, tokenizer, shown = relative(weights), default_tokenizer(), ""
    words, numbers = [], [int(number) for number in ids]
    is_packaged = int(kind.space().high.max()) + 1 == tokenizer.vocab_size
    for place, number in enumerate(numbers):
        if number == 0:
            continue
        if is_packaged:
            text = tokenizer.decode(numbers[: place + 1])
            piece, shown = text[len(shown) :], text
        else:
            piece = f"#{number} "
        words.append(WeighedWord(piece, float(shares[place]) if place < len(shares) else 0.0))
    return words or [WeighedWord("(nothing was said)", float(shares[0]) if len(shares) else 0.0)]


def _patches(
    kind: Kind, encoder: nn.Module, shares: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "rows columns"] | None:
    """The shares as they lie in the picture; None where the encoder does not tell."""
    rows, columns = getattr(encoder, "grid_shape", (0, 0))
    if rows * columns != len(shares):
        return None
    patches = shares.reshape(rows, columns)
    return patches.T if is_minigrid(kind) else patches


def _over(
    picture: Picture, encoder: nn.Module, patches: Float[np.ndarray, "rows columns"]
) -> Float[np.ndarray, "height width"]:
    """The share of each pixel: of the patch that covers it, as large as the encoder says, or an even part.

    The last patches may reach beyond the picture.
    """
    height, width = picture.shape[:2]
    rows, columns = patches.shape
    side_px = getattr(encoder, "patch_px", None)
    tall, wide = side_px or math.ceil(height / rows), side_px or math.ceil(width / columns)
    return np.kron(patches, np.ones((tall, wide)))[:height, :width]


def _blend(picture: Picture, shares: Float[np.ndarray, "height width"], is_signed: bool) -> Picture:
    strength = STRENGTH * np.abs(shares)[..., None]
    return (DIM * picture * (1 - strength) + _colours(shares, is_signed) * strength).round().astype(np.uint8)


def _colours(shares: np.ndarray, is_signed: bool) -> np.ndarray:
    return np.where(shares[..., None] < 0, np.array(AGAINST), np.array(FOR if is_signed else GLOW)).astype(np.float64)


def _strip(shares: Float[np.ndarray, " n"], size: tuple[int, int], is_signed: bool) -> Picture:
    """One cell for each token, side by side; `size` is width and height in pixels."""
    dark = np.zeros((1, len(shares), 3), np.uint8)
    return _resized(_blend(dark, shares[None], is_signed), size)


def _sound(
    encoder: AudioEncoder, reading: np.ndarray, shares: Float[np.ndarray, " n"] | None, is_signed: bool
) -> Picture:
    """The log-mel spectrogram, time to the right and low tones below, the first channel on top; tokens beneath it."""
    waveform = torch.as_tensor(np.nan_to_num(np.clip(reading, -1.0, 1.0)))[None].to(encoder.features.window.dtype)
    levels = encoder.features.log_mel(waveform.to(encoder.features.window.device))[0].cpu().numpy()  # c f m
    quiet = math.log10(encoder.features.floor)
    rows = np.concatenate([heat((channel.T[::-1] - quiet) / -quiet) for channel in levels])
    if shares is None:
        return _resized(rows, (SIDE_PX, SIDE_PX))
    spectrogram = _resized(rows, (SIDE_PX, SIDE_PX - STRIP_PX))
    frames = np.repeat(shares, encoder.frames_per_token)[: levels.shape[1]]
    return np.concatenate([spectrogram, _strip(frames, (SIDE_PX, STRIP_PX), is_signed)])


def _enlarged(picture: Picture) -> Picture:
    scale = SIDE_PX / max(picture.shape[:2])
    return _resized(picture, (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))))


def _resized(picture: Picture, size: tuple[int, int]) -> Picture:
    cv2 = import_cv2("Drawing")
    way = cv2.INTER_NEAREST if size[0] >= picture.shape[1] else cv2.INTER_AREA
    return cv2.resize(np.ascontiguousarray(picture), size, interpolation=way)
