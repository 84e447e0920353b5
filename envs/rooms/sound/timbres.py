"""What the things in a room sound like: eight timbres, each a loop of exactly one second, computed and not recorded.

A loop closes without a seam, because it is a sum of whole numbers of periods, and shows its whole character within any
tenth of a second, so that one reading is enough to tell what sounds. All timbres reach from below 1 kHz to above
3 kHz: levels, phases and times between the ears, and what is behind the head, can be read from each. numpy only; the
loops are baked into tables once, see tables.py.

t samples, k frequencies
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from ..codes import SOUNDS
from ..random import draw_uniform

RATE_HZ = 16_000
STEP_SAMPLES = 1_600
"""What is heard in one step: 0.1 s."""
LOOP_STEPS = 10
LOOP_SAMPLES = LOOP_STEPS * STEP_SAMPLES
LOUDNESS = 10.0 ** (-34.0 / 20.0)
"""A-weighted root mean square of every loop, 1 being full scale: what is heard at one cell's distance."""
HIGHEST_HZ = 7_600

Samples = NDArray[np.float64]

_TIME_S: Samples = np.arange(LOOP_SAMPLES) / RATE_HZ


def random_uniform(number: int, size: int) -> Samples:
    """Numbers in [0, 1), the same in every process and on every machine; another `number` gives others."""
    key = torch.full((size,), number, dtype=torch.int64)
    return draw_uniform(key, torch.arange(size)).double().numpy()


def noise_of(magnitude: Samples, number: int) -> Samples:
    """A loop of noise with these magnitudes at 0, 1, 2... Hz (8,001 of them) and random phases."""
    phase = 2.0 * np.pi * random_uniform(number, len(magnitude))
    return np.fft.irfft(magnitude * np.exp(1j * phase), LOOP_SAMPLES)


def band(low_hz: float, high_hz: float) -> Samples:
    """Magnitudes of a band with soft edges, for `noise_of`: one half at its edges, and gone an octave away."""
    octaves = np.log2(np.maximum(np.arange(LOOP_SAMPLES // 2 + 1), 1.0))
    rise = 1.0 / (1.0 + np.exp(-12.0 * (octaves - np.log2(low_hz))))
    return rise / (1.0 + np.exp(12.0 * (octaves - np.log2(high_hz))))


def tones(frequencies_hz: NDArray[np.int64], amplitudes: Samples) -> Samples:
    """A sum of tones, their phases spread so that peaks stay low.

    Source: Schroeder 1970, "Synthesis of low-peak-factor signals and binary sequences with low autocorrelation".
    """
    count = len(frequencies_hz)
    loop = np.zeros(LOOP_SAMPLES)
    for k, (frequency_hz, amplitude) in enumerate(zip(frequencies_hz, amplitudes, strict=True)):
        loop += amplitude * np.cos(2.0 * np.pi * frequency_hz * _TIME_S - np.pi * k * k / count)
    return loop


def harmonics(base_hz: int, tilt: float) -> tuple[NDArray[np.int64], Samples]:
    """Multiples of a tone up to the highest frequency, the k-th with amplitude k to the power -`tilt`."""
    number = np.arange(1, HIGHEST_HZ // base_hz + 1)
    return number * base_hz, number.astype(np.float64) ** -tilt


def strokes(rate_hz: int, attack_s: float, decay_s: float) -> Samples:
    """An envelope struck `rate_hz` times a second: 0..1, quick to rise, exponential to fall."""
    since_s = _TIME_S % (1.0 / rate_hz)
    return (1.0 - np.exp(-since_s / attack_s)) * np.exp(-since_s / decay_s)


def ringing() -> Samples:
    """A small bell struck twenty times a second: inharmonic partials that die away."""
    partials_hz = np.array([620, 1240, 1488, 1860, 2480, 3317, 4117, 4873, 6057, 6941])
    amplitudes = np.array([0.7, 1.0, 0.8, 0.7, 0.9, 0.8, 0.7, 0.5, 0.4, 0.3])
    return tones(partials_hz, amplitudes) * strokes(20, 0.0008, 0.03)


def beeping() -> Samples:
    """An alarm clock: odd harmonics of 950 Hz, on for half of each tenth of a second."""
    frequencies_hz, amplitudes = harmonics(950, 0.8)
    on = 1.0 / (1.0 + np.exp(-8.0 * np.sin(2.0 * np.pi * 10 * _TIME_S)))
    return tones(frequencies_hz[::2], amplitudes[::2]) * on


def humming() -> Samples:
    """A transformer: steady harmonics of 100 Hz."""
    return tones(*harmonics(100, 0.9))


def ticking() -> Samples:
    """A clock in a hurry: twenty short clicks a second, a high and a low one in turn."""
    tick = noise_of(band(1800, HIGHEST_HZ), 11) * strokes(10, 0.0002, 0.004)
    tock = noise_of(band(400, 3600), 12) * np.roll(strokes(10, 0.0002, 0.005), STEP_SAMPLES // 2)
    return tick / tick.std() + tock / tock.std()


def chirping() -> Samples:
    """A cricket: ten sweeps a second from 900 Hz to 6.5 kHz, with a second voice half as high."""
    part = _TIME_S * 10 % 1.0
    cycles = 0.1 * (900 * part + 0.5 * 5600 * part**2)  # 370 of them in a sweep: the next one joins in phase
    swell = 0.05 + np.sin(np.pi * part) ** 2
    return (np.sin(2.0 * np.pi * cycles) + 0.4 * np.sin(np.pi * cycles)) * swell


def buzzing() -> Samples:
    """A wasp: harmonics of 230 Hz, strongest about 3.5 kHz, rough with forty beats a second."""
    frequencies_hz, amplitudes = harmonics(230, 0.3)
    formant = 0.25 + np.exp(-(np.log2(frequencies_hz / 3500.0) ** 2) * 2.0)
    return tones(frequencies_hz, amplitudes * formant) * (1.0 + 0.9 * np.cos(2.0 * np.pi * 40 * _TIME_S))


def whistling() -> Samples:
    """A kettle: a tone about 1.7 kHz that trembles twenty times a second, its octaves, and a breath of steam."""
    bend = 6.0 * np.sin(2.0 * np.pi * 20 * _TIME_S) / 1.7
    angle = 2.0 * np.pi * 1700 * _TIME_S + bend
    breath = noise_of(band(500, HIGHEST_HZ), 13)
    return np.sin(angle) + 0.35 * np.sin(2.0 * angle) + 0.15 * np.sin(3.0 * angle) + 0.22 * breath / breath.std()


def rattling() -> Samples:
    """A box of nails: sixty dull to bright knocks a second, no two of the same strength or time."""
    knocks = np.zeros(LOOP_SAMPLES)
    count = 60
    place = (np.arange(count) + 0.7 * random_uniform(14, count)) * (LOOP_SAMPLES / count)
    knocks[place.astype(np.int64)] = 0.4 + random_uniform(15, count)
    decay = (1.0 - np.exp(-_TIME_S / 0.0005)) * np.exp(-_TIME_S / 0.006)
    envelope = np.fft.irfft(np.fft.rfft(knocks) * np.fft.rfft(decay), LOOP_SAMPLES)
    return noise_of(band(700, 6500), 16) * np.maximum(envelope, 0.0)


TIMBRES: dict[str, Callable[[], Samples]] = {
    "ringing": ringing,
    "beeping": beeping,
    "humming": humming,
    "ticking": ticking,
    "chirping": chirping,
    "buzzing": buzzing,
    "whistling": whistling,
    "rattling": rattling,
}


def a_weighting(frequencies_hz: Samples) -> Samples:
    """How loud the ear finds a frequency: an amplitude, 1 at 1 kHz.

    Source: IEC 61672-1:2013, annex E.
    """
    f2 = np.square(np.maximum(frequencies_hz, 1e-3))
    shape = (12194.0**2 * f2**2) / ((f2 + 20.6**2) * np.sqrt((f2 + 107.7**2) * (f2 + 737.9**2)) * (f2 + 12194.0**2))
    return shape * 10.0 ** (2.0 / 20.0)


def loop_of(sound: str) -> Samples:
    """The loop of one of codes.SOUNDS: 16,000 samples of equal loudness, without content at 0 Hz or above 7.6 kHz."""
    spectrum = np.fft.rfft(TIMBRES[sound]())
    frequencies_hz = np.arange(len(spectrum), dtype=np.float64)
    spectrum[:50] = 0.0
    spectrum[HIGHEST_HZ + 1 :] = 0.0
    heard = np.fft.irfft(spectrum * a_weighting(frequencies_hz), LOOP_SAMPLES)
    return np.fft.irfft(spectrum * (LOUDNESS / np.sqrt(np.mean(heard**2))), LOOP_SAMPLES)


def loops() -> NDArray[np.float64]:
    """All of them in the order of codes.SOUNDS: (sounds, 16,000)."""
    return np.stack([loop_of(sound) for sound in SOUNDS])
