"""Pictures of numbers, for kinds to draw their readings with: rows of values, waveforms. numpy only.

Pictures are uint8 (height, width, 3), RGB, and as small as they can be; who shows them enlarges them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BACKGROUND = (222, 224, 226)
COLOURS = ((66, 110, 180), (214, 120, 56), (78, 148, 98), (150, 96, 170), (190, 150, 40), (90, 160, 170))

WAVE_PX = 320


def share_of_limits(values: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.float64]:
    """Where each value lies between its limits, 0..1; a value without limits is squashed, and 0 becomes 0.5."""
    values, low, high = (part.astype(np.float64) for part in (np.nan_to_num(values), low, high))
    is_limited = np.isfinite(low) & np.isfinite(high)
    low, high = np.where(is_limited, low, 0.0), np.where(is_limited, high, 1.0)
    between = (values - low) / np.where(high > low, high - low, 1.0)
    squashed = 0.5 + 0.5 * values / (1.0 + np.abs(values))
    return np.clip(np.where(is_limited, between, squashed), 0.0, 1.0)


def rows_of_values(shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A cell for each value: black at 0, white at 1; the first three channels of a third axis are red, green, blue.

    What has no second axis is one row; of more than three axes the first ones follow each other from top to bottom.
    """
    rows = shares.reshape(1, -1) if shares.ndim < 2 else shares
    cells = rows[..., None] if rows.ndim == 2 else rows.reshape(-1, *rows.shape[-2:])
    channels = [cells[..., number % cells.shape[-1]] for number in range(3)]
    return (255 * np.stack(channels, axis=-1)).round().astype(np.uint8)


def waveforms(sound: NDArray[Any]) -> NDArray[np.uint8]:
    """Each channel's range in every pixel column, (channels, samples) in -1..1; the first channel is on top."""
    picture = np.full((WAVE_PX, WAVE_PX, 3), BACKGROUND, np.uint8)
    row_px = WAVE_PX // len(sound)
    columns = np.linspace(0, sound.shape[1], WAVE_PX + 1).astype(int)
    for channel, wave in enumerate(np.nan_to_num(np.clip(sound, -1, 1))):
        middle, half = channel * row_px + row_px // 2, 0.46 * row_px
        for x, (start, end) in enumerate(zip(columns[:-1], np.maximum(columns[1:], columns[:-1] + 1), strict=True)):
            part = wave[start:end] if start < len(wave) else wave[-1:]
            upper, lower = round(middle - half * float(part.max())), round(middle - half * float(part.min()))
            picture[upper : lower + 1, x] = COLOURS[channel % len(COLOURS)]
    return picture
