"""From a source to the head: direction, distance and walls for each offset between two cells, baked per room size.

A cell is one metre. Sound goes straight; each wall or shut door that the line enters takes 8 dB, up to three of them.

o offsets between cells, l cells of a line
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from ..codes import CLOSED, COLOURS, DOOR, LOCKED, WALL, pack
from .head import AZIMUTHS
from .timbres import LOOP_STEPS

WALL_DB = -8.0
MAX_WALLS = 3


class Paths:
    """Look-up tables for rooms of one size; `offset = spread[source] - spread[head] + zero` is their column.

    Attributes:
        spread: a number for each cell; differences of them name offsets.
        zero: the offset of a cell from itself.
        rows: [ear, heading, offset] -> azimuth * 10, the part of a sound table's row that is known here.
        gain: [offset] -> 1 / distance, 1 up to one cell.
        lines: [offset] -> what to add to the head's cell to get the cells up to the source, the head's own first and
            the source left out; 0 beyond the end.
        wall_gain: [walls] -> amplitude left behind so many walls.
        stops_sound: [code] -> 1 where a cell's content damps.
    """

    def __init__(self, height: int, width: int, device: torch.device) -> None:
        y, x = np.divmod(np.arange(height * width), width)
        span = 2 * width - 1
        down, right = (grid.ravel() for grid in np.mgrid[1 - height : height, 1 - width : width])
        self.zero = (height - 1) * span + width - 1
        self.spread: Int[Tensor, " cells"] = torch.from_numpy(y * span + x).to(device)
        self.rows: Int[Tensor, "2 4 o"] = _rows(down, right).to(device)
        gain = 1.0 / np.maximum(1.0, np.hypot(down, right))
        self.gain: Float[Tensor, " o"] = torch.from_numpy(gain).float().to(device)
        self.lines: Int[Tensor, "o l"] = _lines(down, right, width).to(device)
        wall_gain = 10.0 ** (WALL_DB / 20.0 * np.arange(MAX_WALLS + 1))
        self.wall_gain: Float[Tensor, " walls"] = torch.from_numpy(wall_gain).float().to(device)
        stops_sound = torch.zeros(256, dtype=torch.uint8)
        for colour in range(len(COLOURS)):
            stops_sound[[pack(DOOR, colour, CLOSED), pack(DOOR, colour, LOCKED), pack(WALL, colour)]] = 1
        self.stops_sound = stops_sound.to(device)


def _rows(down: NDArray[np.int64], right: NDArray[np.int64]) -> Int[Tensor, "2 4 o"]:
    """Headings count clockwise from growing x, as angles do where y grows downwards."""
    quarter = AZIMUTHS // 4
    clockwise = np.floor(np.arctan2(down, right) * (AZIMUTHS / (2.0 * np.pi)) + 0.5).astype(np.int64)
    azimuth = (clockwise - quarter * np.arange(4)[:, None]) % AZIMUTHS
    azimuth[:, (down == 0) & (right == 0)] = 0  # what the agent carries is before its face
    return torch.from_numpy(np.stack([azimuth, -azimuth % AZIMUTHS]) * LOOP_STEPS)


def _lines(down: NDArray[np.int64], right: NDArray[np.int64], width: int) -> Int[Tensor, "o l"]:
    length = np.maximum(np.abs(down), np.abs(right))
    step = np.arange(max(1, int(length.max())))
    part = np.where(step < length[:, None], step / np.maximum(1, length)[:, None], 0.0)
    cells = [np.sign(way)[:, None] * np.floor(np.abs(way)[:, None] * part + 0.5) for way in (down, right)]
    return torch.from_numpy((cells[0] * width + cells[1]).astype(np.int64))
