"""What BabyAI's own agents see: the 7 x 7 cells ahead as kind, colour and state, without what walls hide.

A pure function of the state. A row of cells is handled at once: seven bits say which of its cells are seen, seven which
let light through, and a table tells from both what is seen in the end and what that lets the next row see.

Source: minigrid 3, minigrid_env.py (`gen_obs_grid`) and core/grid.py (`process_vis`, `encode`).

b environments, c cells, p poses (4 * c), r rows of the view from the far one, k columns from the left one, padded to 8
"""

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from .codes import CLOSED, DOOR, KINDS, LOCKED, WALL, pack, unpacked
from .state import RoomsState
from .world import HEADINGS

SIDE = 7
"""Cells along each side of the view; the agent stands in the middle of the nearest row."""
_PADDED = 8
"""Columns, so that a row is an int64."""
_GATHER_BITS = 0x0102040810204080
"""Times this, eight bytes of 0 or 1 become eight bits, the first byte the lowest, in the highest byte."""


def ego_cells(height: int, width: int) -> Int[Tensor, "p r k"]:
    """Pose -> cells of the view; cell 0, which is a wall, where that would be outside and in the last column."""
    y, x, heading = torch.meshgrid(torch.arange(height), torch.arange(width), torch.arange(4), indexing="ij")
    step = torch.tensor([HEADINGS[h] for h in range(4)])[heading]
    dx, dy = step[..., 0, None, None], step[..., 1, None, None]
    ahead = (SIDE - 1 - torch.arange(SIDE))[:, None]
    aside = torch.arange(_PADDED) - SIDE // 2
    x = x[..., None, None] + dx * ahead - dy * aside
    y = y[..., None, None] + dy * ahead + dx * aside
    is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (aside <= SIDE // 2)
    return torch.where(is_inside, y * width + x, 0).view(-1, SIDE, _PADDED)


def _see_row(seen: int, clear: int) -> tuple[int, int]:
    """A row's cells that are seen, and those that are seen in the next row: minigrid's rule on one row, as bits."""
    beyond = 0
    for columns, side in ((range(SIDE - 1), 1), (range(SIDE - 1, 0, -1), -1)):
        for column in columns:
            if seen >> column & clear >> column & 1:
                seen |= 1 << column + side
                beyond |= 1 << column | 1 << column + side
    return seen, beyond


def _sight() -> Int[Tensor, " s"]:
    """Seen * 128 + clear -> beyond * 128 + seen."""
    rows = [_see_row(index >> SIDE, index & 127) for index in range(1 << 2 * SIDE)]
    return torch.tensor([beyond << SIDE | seen for seen, beyond in rows])


def _byte_masks() -> Int[Tensor, " 128"]:
    """Seven bits -> eight bytes, each 0 or 255."""
    bytes_ = [[255 * (bits >> column & 1) for column in range(_PADDED)] for bits in range(128)]
    return torch.tensor(bytes_, dtype=torch.uint8).view(torch.int64).flatten()


def lets_light_through() -> UInt8[Tensor, " 256"]:
    """Code -> 1, or 0 for walls and for doors that are not open."""
    table = torch.ones(256, dtype=torch.uint8)
    table[pack(WALL) : pack(WALL + 1)] = 0
    for state in (CLOSED, LOCKED):
        table[pack(DOOR, 0, state) : pack(DOOR + 1) : 3] = 0
    table[pack(len(KINDS)) :] = 0
    return table


class SymbolicView:
    """minigrid's observation of every room.

    Args:
        height: cells, the outer walls included.
        width: cells.
        device: where the states are.
    """

    def __init__(self, height: int, width: int, device: torch.device | str = "cpu") -> None:
        self._cells = ego_cells(height, width).flatten(1).to(device)
        self._sight = _sight().to(device)
        self._masks = _byte_masks().to(device)
        self._clear = lets_light_through().to(device)
        self._unpacked = unpacked(device)

    def __call__(self, state: RoomsState) -> UInt8[Tensor, "b 7 7 3"]:
        """The view, column first: [:, 3, 6] is what the agent holds, [:, 3, 5] the cell ahead; 0, 0, 0 is unseen."""
        codes = state.cells.gather(1, self._cells.index_select(0, state.pose))
        codes[:, (SIDE - 1) * _PADDED + SIDE // 2] = state.carried_code
        clear = self._clear.take(codes.to(torch.int64)).view(torch.int64)
        clear = (clear * _GATHER_BITS >> 56) & 127
        seen = []
        row = torch.full_like(state.heading, 1 << SIDE + SIDE // 2)
        for number in reversed(range(SIDE)):
            row = self._sight.take((row & ~127) + clear[:, number])
            seen.append(row)
        masks = self._masks.take(torch.stack(seen[::-1], dim=-1) & 127)
        codes = (codes.view(torch.int64) & masks).view(torch.uint8).view(-1, SIDE, _PADDED)[..., :SIDE]
        codes = codes.transpose(1, 2).reshape(-1).to(torch.int64)
        return self._unpacked.index_select(0, codes).view(-1, SIDE, SIDE, 3)
