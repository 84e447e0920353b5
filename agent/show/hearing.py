"""Sound as people hear it: how loud it is in each ear, and from which side it comes. Plain numpy.

Two channels are two ears on a head: a lobe points to where the sounds are, longer the louder they are. Ears tell left
from right by the time between them, which is the same in front and behind, so each lobe has a paler one behind.

c channels, n samples, a angles, f frequencies
"""

import functools

import numpy as np
from jaxtyping import Float

from ...envs.rooms.render.canvas import INK, TRACK, Colour, Picture

QUIET_DB, LOUD_DB = -60.0, -20.0
"""Levels of an empty bar and of a full one, of full scale."""

EARS_APART_S = 0.0875 / 343.0
"""Radius of a head over the speed of sound."""

LOWEST_HZ, HIGHEST_HZ = 200.0, 4000.0
WHITENING = 0.8
"""0 weighs frequencies by their power, 1 weighs all alike."""

_BAR, _HEAD, _LONGEST = 0.06, 0.075, 0.41
"""Shares of the picture's side: a level's bar, the head, the longest lobe."""
_FINENESS = 2  # points along a pixel's side, for smooth edges
_BEHIND = 0.35


def draw_hearing(sound: Float[np.ndarray, "c n"], rate_hz: int, side_px: int, colour: Colour) -> Picture:
    """A square picture of a window of sound.

    Args:
        sound: -1..1; what is not finite counts as silence.
        rate_hz: samples a second.
        side_px: of the picture.
        colour: of the lobe and the bars.
    """
    wave = np.nan_to_num(sound, posinf=0.0, neginf=0.0).clip(-1, 1)
    levels = loudness(wave)
    picture = np.full((side_px, side_px, 3), TRACK, np.float64)
    if len(wave) == 2:
        _draw_head(picture, _reach(wave, rate_hz) * levels.max(), colour)
        _draw_bar(picture, 0, levels[0], colour)
        _draw_bar(picture, side_px - round(_BAR * side_px), levels[1], colour)
    else:
        step = side_px / len(wave)
        for channel, level in enumerate(levels):
            _draw_bar(picture, round((channel + 0.5) * step - _BAR * side_px / 2), level, colour)
    return np.rint(picture).astype(np.uint8)


def loudness(sound: Float[np.ndarray, "c n"]) -> Float[np.ndarray, " c"]:
    """The level of each channel between `QUIET_DB` and `LOUD_DB`, as a share of 0..1."""
    power = np.square(sound, dtype=np.float64).mean(axis=1) if sound.shape[1] else np.zeros(len(sound))
    return np.clip((10 * np.log10(power + 1e-12) - QUIET_DB) / (LOUD_DB - QUIET_DB), 0.0, 1.0)


def directions(sound: Float[np.ndarray, "2 n"], rate_hz: int) -> Float[np.ndarray, " a"]:
    """How much sound comes from each of 91 angles, the left ear's side first, 2 degrees apart; the most is 1.

    Source: Knapp and Carter 1976, "The generalized correlation method for estimation of time delay"; the delay of an
    angle is Woodworth's.
    """
    count = 1 << (2 * sound.shape[1] - 1).bit_length()
    left, right = np.fft.rfft(sound, count)
    frequency_hz = np.fft.rfftfreq(count, 1 / rate_hz)
    is_used = (frequency_hz >= LOWEST_HZ) & (frequency_hz <= HIGHEST_HZ)
    cross, frequency_hz = (left * right.conj())[is_used], frequency_hz[is_used]
    cross /= np.abs(cross) ** WHITENING + 1e-12
    angle = np.radians(np.linspace(-90, 90, 91))
    delay_s = EARS_APART_S * (angle + np.sin(angle))
    strength = (cross * np.exp(2j * np.pi * np.outer(delay_s, frequency_hz))).real.sum(axis=1)
    return np.clip(strength / max(float(strength.max()), 1e-9), 0.0, 1.0)


def _reach(sound: Float[np.ndarray, "2 n"], rate_hz: int) -> Float[np.ndarray, " a"]:
    """How long the lobe is at each angle, 0..1; the power makes its peaks narrow."""
    return directions(sound, rate_hz) ** 1.5


def _draw_head(picture: Float[np.ndarray, "side side 3"], reach: Float[np.ndarray, " a"], colour: Colour) -> None:
    """The lobes around a head that looks up the picture."""
    side, angle, radius = _polar(len(picture))
    length = _HEAD + (_LONGEST - _HEAD) * np.interp(np.degrees(angle), np.linspace(-90, 90, len(reach)), reach)
    ring = np.abs(radius - _LONGEST) < 0.004
    _paint(picture, ring, (190, 193, 197))
    is_ahead = side > 0
    _paint(picture, (radius < length) & is_ahead, colour)
    _paint(picture, (radius < length) & ~is_ahead, colour, strength=_BEHIND)
    nose = (np.abs(angle) * radius < 0.6 * (1.45 * _HEAD - side)) & (side > 0.8 * _HEAD)
    ears = (np.abs(np.abs(np.degrees(angle)) - 90) < 20) & (radius < 1.25 * _HEAD)
    _paint(picture, (radius < _HEAD) | nose | ears, INK)


@functools.lru_cache(maxsize=4)
def _polar(side_px: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every point: how far ahead of the head it is, the angle from straight ahead or behind, and the distance."""
    middle = (np.arange(side_px * _FINENESS) + 0.5) / (side_px * _FINENESS) - 0.5
    x, y = np.meshgrid(middle, middle)
    return -y, np.arctan2(x, np.abs(y)), np.hypot(x, y)


def _paint(picture: np.ndarray, inside: np.ndarray, colour: Colour, strength: float = 1.0) -> None:
    """Lays a colour over the points of a shape, smoothly."""
    side = len(picture)
    cover = inside.reshape(side, _FINENESS, side, _FINENESS).mean(axis=(1, 3))[..., None]
    picture += strength * cover * (np.array(colour) - picture)


def _draw_bar(picture: np.ndarray, left: int, level: float, colour: Colour) -> None:
    """An upright bar from the bottom."""
    width, height = round(_BAR * len(picture)), round(level * len(picture))
    picture[:, left : left + width] = (206, 209, 212)
    picture[len(picture) - height :, left : left + width] = colour
