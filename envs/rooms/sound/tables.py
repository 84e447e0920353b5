"""Every sound from every direction at every time, baked once: to hear is then to add up rows of a table.

The loops are periodic, so the head's filters are exact products of spectra. One table for each device, shared by all
ears there: about 64 MB.

r rows of the table, f of them not noise, t samples
"""

import dataclasses
import functools

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..codes import SOUNDS
from .head import AZIMUTHS, left_ear
from .timbres import LOOP_SAMPLES, LOOP_STEPS, STEP_SAMPLES, band, loops, noise_of

FADE_SAMPLES = 128
"""8 ms: how long the old pose's sound lingers in a new reading."""
FULL_SCALE = 2.0**15
"""Tables hold samples in units of 2^-15, so that rounding needs no product."""
NOISE_ROWS = 512
NOISE_LEVEL = 10.0 ** (-60.0 / 20.0)
"""Root mean square of what is heard in an empty room: air and the microphones themselves."""
FIRST_NOISE_ROW = len(SOUNDS) * AZIMUTHS * LOOP_STEPS


@dataclasses.dataclass(frozen=True)
class SoundTables:
    """What ears look up.

    Attributes:
        rows: row (sound * 120 + azimuth) * 10 + block is the left ear's step of that sound, its first 8 ms fading in,
            in units of 2^-15; from `FIRST_NOISE_ROW` on, rows of background noise.
        fades: the same rows, their first 8 ms fading out.
    """

    rows: Float[Tensor, "r 1600"]
    fades: Float[Tensor, "f 128"]


def noise_rows() -> Float[Tensor, "r 1600"]:
    """Background noise, fainter towards high frequencies, in units of 2^-15."""
    magnitude = band(60.0, 7_600.0) / np.sqrt(1.0 + np.arange(LOOP_SAMPLES // 2 + 1) / 800.0)
    parts = [noise_of(magnitude, 1000 + number) for number in range(-(-NOISE_ROWS // LOOP_STEPS))]
    noise = np.concatenate(parts).reshape(-1, STEP_SAMPLES)[:NOISE_ROWS]
    return torch.from_numpy(noise * (NOISE_LEVEL * FULL_SCALE / noise.std())).float()


@functools.cache
def sound_tables(device: torch.device) -> SoundTables:
    """The tables on a device, computed at the first call (about a second), in float64 on the CPU."""
    frequencies_hz = np.arange(LOOP_SAMPLES // 2 + 1, dtype=np.float64)
    responses = np.stack([left_ear(2.0 * np.pi * bin / AZIMUTHS, frequencies_hz) for bin in range(AZIMUTHS)])
    table = torch.empty(FIRST_NOISE_ROW + NOISE_ROWS, STEP_SAMPLES)
    heard = table[:FIRST_NOISE_ROW].view(len(SOUNDS), AZIMUTHS, LOOP_SAMPLES)
    for sound, loop in enumerate(loops()):
        spectrum = np.fft.rfft(loop) * FULL_SCALE
        heard[sound] = torch.from_numpy(np.fft.irfft(spectrum * responses, LOOP_SAMPLES))
    table[FIRST_NOISE_ROW:] = noise_rows()
    rising = (torch.arange(FADE_SAMPLES, dtype=torch.float32) + 0.5) / FADE_SAMPLES
    start = table[:FIRST_NOISE_ROW, :FADE_SAMPLES]
    fades = start * (1.0 - rising)
    start *= rising
    return SoundTables(table.to(device), fades.to(device))
