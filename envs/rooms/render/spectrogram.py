"""Sound as a picture: time runs to the right, pitch upwards, loudness is brightness. For people; plain numpy.

c channels, n samples
"""

import numpy as np
from jaxtyping import Float, UInt8

_WINDOW = 512  # samples
_LOWEST_HZ = 80.0
_QUIET_DB, _LOUD_DB = -85.0, -20.0  # of a full-scale sine
_COLOURS = np.array([[14, 12, 34], [66, 22, 104], [160, 44, 98], [232, 106, 52], [250, 200, 90], [255, 252, 220]])


def spectrogram(
    sound: Float[np.ndarray, "c n"], height: int, width: int, *, seconds: float = 2.0, rate_hz: int = 16_000
) -> UInt8[np.ndarray, "height width 3"]:
    """The last seconds of a sound, its channels one above the other.

    Args:
        sound: -1..1, the newest sample last; what is missing at the beginning counts as silence.
        height: of the picture in pixels; a dark line parts the channels.
        width: of the picture in pixels.
        seconds: how much of the sound is shown.
        rate_hz: samples a second.

    Returns:
        RGB uint8, with colours that mean the same loudness in every picture.
    """
    count = round(seconds * rate_hz)
    wave = np.zeros((len(sound), count + _WINDOW))
    recent = np.nan_to_num(sound[:, -(count + _WINDOW) :])
    wave[:, wave.shape[1] - recent.shape[1] :] = recent
    starts = np.linspace(0, count, width).astype(int)
    parts = wave[:, starts[:, None] + np.arange(_WINDOW)] * np.hanning(_WINDOW)  # c width window
    power = np.abs(np.fft.rfft(parts)) * (4 / _WINDOW)
    band = np.full(len(sound), height // len(sound))
    band[: height % len(sound)] += 1
    shares = [_band(channel, int(rows), rate_hz) for channel, rows in zip(power, band, strict=True)]
    picture = _coloured(np.concatenate(shares))
    for edge in np.cumsum(band)[:-1]:
        picture[edge - 1 : edge + 1] = 0
    return picture


def _band(power: Float[np.ndarray, "width frequencies"], rows: int, rate_hz: int) -> Float[np.ndarray, "rows width"]:
    """Loudness 0..1 on a logarithmic axis of pitch, the highest on top."""
    pitch_hz = np.geomspace(rate_hz / 2, _LOWEST_HZ, rows + 1)
    bins = np.rint(pitch_hz * _WINDOW / rate_hz).astype(int)
    loudest = [power[:, low : max(low + 1, high)].max(axis=1) for high, low in zip(bins[:-1], bins[1:], strict=True)]
    level_db = 20 * np.log10(np.maximum(np.stack(loudest), 1e-9))
    return np.clip((level_db - _QUIET_DB) / (_LOUD_DB - _QUIET_DB), 0.0, 1.0)


def _coloured(share: Float[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """0..1 as colours from night to daylight."""
    stops = np.linspace(0, 1, len(_COLOURS))
    channels = [np.interp(share, stops, _COLOURS[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
