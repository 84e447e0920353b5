"""A picture of sound points to where it comes from and is larger the louder it is."""

import numpy as np
import pytest

from senseweave.agent.show.hearing import EARS_APART_S, directions, draw_hearing, loudness
from senseweave.agent.show.palette import SENSES

RATE_HZ = 16_000
ORANGE = SENSES["audio"]


def noise_from(angle_degrees: float, level: float = 0.1) -> np.ndarray:
    """A tenth of a second of noise that the ears hear as from an angle, 0 ahead and 90 at the right."""
    angle = np.radians(angle_degrees)
    delay_s = EARS_APART_S * (angle + np.sin(angle))  # how much later the left ear hears it
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(0, level, 1600))
    shift = np.exp(-2j * np.pi * np.fft.rfftfreq(1600, 1 / RATE_HZ) * delay_s)
    return np.stack([np.fft.irfft(spectrum * shift, 1600), np.fft.irfft(spectrum, 1600)]).astype(np.float32)


def coloured(picture: np.ndarray) -> np.ndarray:
    return (picture == ORANGE).all(axis=-1)


@pytest.mark.parametrize("angle", [-80, -40, -10, 0, 25, 60, 90])
def test_noise_is_found_where_it_comes_from(angle):
    found = np.linspace(-90, 90, 91)[directions(noise_from(angle), RATE_HZ).argmax()]
    assert abs(found - angle) <= 6


def test_the_lobe_lies_on_the_side_of_the_sound_and_ahead_it_is_darker():
    inside = slice(20, 180)  # without the bars
    for angle, is_right in ((-50, False), (50, True)):
        drawn = coloured(draw_hearing(noise_from(angle), RATE_HZ, 200, ORANGE))[:, inside]
        left, right = drawn[:100, :80].sum(), drawn[:100, 80:].sum()
        assert (right > 4 * left) == is_right and (left > 4 * right) == (not is_right)
        assert drawn[100:].sum() < drawn[:100].sum() / 4, "behind it is pale"


def test_bars_stand_as_high_as_their_ears_hear():
    sound = noise_from(0)
    sound[1] *= 0.1
    drawn = coloured(draw_hearing(sound, RATE_HZ, 200, ORANGE))
    assert drawn[:, 0].sum() - drawn[:, -1].sum() == pytest.approx(200 * 20 / 40, abs=2), "20 of 40 dB"


@pytest.mark.parametrize("shape", [(1, 1600), (2, 1), (2, 1600), (3, 700), (2, 0)])
def test_any_sound_can_be_drawn_and_silence_is_empty(shape):
    generator = np.random.default_rng(0)
    for sound in (np.zeros(shape), np.full(shape, np.nan), generator.normal(0, 9, shape)):
        drawn = draw_hearing(sound.astype(np.float32), RATE_HZ, 64, ORANGE)
        assert drawn.shape == (64, 64, 3) and drawn.dtype == np.uint8
    assert not coloured(draw_hearing(np.zeros(shape, np.float32), RATE_HZ, 64, ORANGE)).any()


def test_loudness_is_a_share_of_what_can_be_shown():
    assert loudness(np.zeros((1, 100))).tolist() == [0.0] and loudness(np.ones((1, 100))).tolist() == [1.0]
    assert loudness(np.full((1, 100), 0.01)).tolist() == pytest.approx([0.5])
