"""A head with two ears: what each of them makes of a sound from some direction.

A sphere of 8.75 cm: the farther ear hears later, and the higher the tone the fainter; what comes from behind is duller,
as auricles make it. Magnitudes carry no phase of their own, so that the time between the ears is Woodworth's at every
frequency. Distance is not its business. Azimuths: 0 is ahead, a quarter turn is to the right.

k frequencies
"""

import numpy as np
from numpy.typing import NDArray

RADIUS_M = 0.0875
SPEED_OF_SOUND_M_S = 343.0
AZIMUTHS = 120
"""Directions that are baked, 3 degrees apart: straight, square and diagonal ones are among them."""

REAR_DB = -6.0
REAR_FROM_HZ, REAR_FULL_HZ = 1_500.0, 3_000.0
REAR_FROM_RAD, REAR_FULL_RAD = np.radians(60.0), np.radians(120.0)


def delay_between_ears_s(azimuth_rad: float) -> float:
    """How much later the left ear hears it than the right one; negative for what is on the left.

    Source: Woodworth 1938, "Experimental Psychology": (a / c) (angle + sin angle), the angle out of the plane of
    symmetry; the same in front and behind.
    """
    side = np.arcsin(np.sin(azimuth_rad))
    return float(RADIUS_M / SPEED_OF_SOUND_M_S * (side + np.sin(side)))


def shadow(incidence_rad: float, frequencies_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Magnitude of what reaches an ear against the free field: 1 at low frequencies, +6 to about -20 dB at high ones.

    Args:
        incidence_rad: between the ear's axis and the source, 0..pi.
        frequencies_hz: of shape (k,).

    Source: Brown and Duda 1998, "A structural model for binaural sound synthesis", equations 3 to 5.
    """
    low, darkest_rad = 0.1, np.radians(150.0)
    alpha = (1.0 + low / 2.0) + (1.0 - low / 2.0) * np.cos(incidence_rad / darkest_rad * np.pi)
    ratio = 2.0 * np.pi * frequencies_hz / (2.0 * SPEED_OF_SOUND_M_S / RADIUS_M)
    return np.sqrt((1.0 + (alpha * ratio) ** 2) / (1.0 + ratio**2))


def _smooth(x: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(x, 0.0, 1.0))


def auricle(azimuth_rad: float, frequencies_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """How sounds from behind grow duller: 6 dB above 3 kHz from 120 degrees on, nothing up to 60 degrees."""
    off_ahead = np.abs(np.angle(np.exp(1j * azimuth_rad)))
    behind = _smooth((off_ahead - REAR_FROM_RAD) / (REAR_FULL_RAD - REAR_FROM_RAD))
    octaves = np.log2(np.maximum(frequencies_hz, 1.0) / REAR_FROM_HZ) / np.log2(REAR_FULL_HZ / REAR_FROM_HZ)
    return 10.0 ** (REAR_DB * behind * _smooth(octaves) / 20.0)


def left_ear(azimuth_rad: float, frequencies_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
    """The left ear's response (k,); the right ear's is that of the mirrored azimuth.

    The delay is shared out: half of it later at the farther ear, half of it sooner at the nearer one.
    """
    incidence_rad = np.abs(np.angle(np.exp(1j * (azimuth_rad + np.pi / 2.0))))
    turn_rad = np.pi * frequencies_hz * delay_between_ears_s(azimuth_rad)
    magnitude = shadow(float(incidence_rad), frequencies_hz) * auricle(azimuth_rad, frequencies_hz)
    return magnitude * (np.cos(turn_rad) - 1j * np.sin(turn_rad))
