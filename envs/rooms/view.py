"""What BabyAI's own agents see: the 7 x 7 cells ahead as kind, colour and state, without what walls hide.

A pure function of the state. The view is handled a column at a time, as one int64 of eight bytes, a row of it each (the
eighth is padding), and what is seen a row at a time, as seven bits: a table tells from the cells that are seen and the
cells that let light through what is seen in the end, and what that lets the next row see. Other tables are read for two
cells at a time, which makes half as many readings.

Source: minigrid 3, minigrid_env.py (`gen_obs_grid`) and core/grid.py (`process_vis`, `encode`).

b environments, c cells, p poses (4 * c), k columns of the view from the left, r rows from the far one, padded to 8
"""

import functools

import torch
from jaxtyping import Bool, Int, Int32, UInt8
from torch import Tensor

from .codes import CLOSED, DOOR, LOCKED, WALL, pack, unpacked
from .state import RoomsState
from .world import HEADINGS

SIDE = 7
"""Cells along each side of the view; the agent stands in the middle of the nearest row."""
_PADDED = 8
_HERE = SIDE // 2 * _PADDED + SIDE - 1
"""Number of the agent's own cell in the padded view."""
_ROW_BITS = (1 << SIDE) - 1
_LOWEST_BITS = 0x0101010101010101


def ego_cells(height: int, width: int) -> Int[Tensor, "p k r"]:
    """Pose -> cells of the view; cell 0, which is a wall, where that would be outside and in the padding."""
    y, x, heading = torch.meshgrid(torch.arange(height), torch.arange(width), torch.arange(4), indexing="ij")
    step = torch.tensor([HEADINGS[h] for h in range(4)])[heading]
    dx, dy = step[..., 0, None, None], step[..., 1, None, None]
    ahead = SIDE - 1 - torch.arange(_PADDED)
    aside = (torch.arange(SIDE) - SIDE // 2)[:, None]
    x = x[..., None, None] + dx * ahead - dy * aside
    y = y[..., None, None] + dy * ahead + dx * aside
    is_inside = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (ahead >= 0)
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


@functools.cache
def _sight() -> tuple[Int[Tensor, " s"], Int[Tensor, " s"]]:
    """128 * seen + clear -> 128 * what is seen in the next row; and what is seen in this one."""
    rows = [_see_row(index >> SIDE, index & _ROW_BITS) for index in range(1 << 2 * SIDE)]
    return torch.tensor([beyond << SIDE for _, beyond in rows]), torch.tensor([seen for seen, _ in rows])


def lets_light_through() -> UInt8[Tensor, " 256"]:
    """Code -> 1, or 0 for walls and for doors that are not open."""
    table = torch.ones(256, dtype=torch.uint8)
    table[pack(WALL) : pack(WALL + 1)] = 0
    for state in (CLOSED, LOCKED):
        table[pack(DOOR, 0, state) : pack(DOOR + 1) : 3] = 0
    return table


def _of_pairs(table: UInt8[Tensor, "256 n"]) -> UInt8[Tensor, "65536 n2"]:
    """A table for two codes at once: two bytes, as one number -> the entry of the first and that of the second."""
    first, second = table.repeat(256, 1), table.repeat_interleave(256, dim=0)
    return torch.cat((first, second), dim=1)


def _pairs(codes: UInt8[Tensor, " n"]) -> Int32[Tensor, " n2"]:
    """Two bytes each as one number, 0..65535."""
    return codes.view(torch.int16).to(torch.int32).bitwise_and_(0xFFFF)


class SymbolicView:
    """minigrid's observation of every room.

    Args:
        height: cells, the outer walls included.
        width: cells.
        device: where the states are.
    """

    def __init__(self, height: int, width: int, device: torch.device | str = "cpu") -> None:
        beyond, seen = _sight()
        self._cells = ego_cells(height, width).flatten(1).to(device)
        self._beyond = beyond.to(device)
        self._seen = seen.to(device)
        self._clear = _of_pairs(lets_light_through()[:, None]).view(torch.int16).flatten().to(device)
        self._unpacked = _of_pairs(unpacked()).to(device)
        self._columns = torch.arange(SIDE, device=device)
        self._rows = _PADDED * torch.arange(SIDE, device=device)[:, None]

    def __call__(self, state: RoomsState) -> UInt8[Tensor, "b 7 7 3"]:
        """The view, column first: [:, 3, 6] is what the agent holds, [:, 3, 5] the cell ahead; 0, 0, 0 is unseen."""
        codes = state.cells.gather(1, self._cells.index_select(0, state.pose))
        codes[:, _HERE] = state.carried_code
        return self._unpack(codes.view(torch.int64) & self._seen_bytes(codes))

    def seen_cells(self, state: RoomsState) -> Bool[Tensor, "b c"]:
        """Which cells of the room the view shows; the corner, cell 0, never counts."""
        cells = self._cells.index_select(0, state.pose)
        seen = self._seen_bytes(state.cells.gather(1, cells)).view(torch.uint8).view(len(cells), -1) > 0
        return torch.zeros_like(state.cells, dtype=torch.bool).scatter_(1, cells, seen & (cells > 0))

    def _seen_bytes(self, codes: UInt8[Tensor, "b _"]) -> Int[Tensor, "b k"]:
        """255 in the byte of each cell that is seen, 0 in the others."""
        clear = self._clear.index_select(0, _pairs(codes.view(-1))).view(torch.int64).view(-1, SIDE)
        clear = (clear << self._columns).sum(dim=1)  # now a byte is a row, and a bit of it a column
        rows = (clear >> self._rows).bitwise_and_(_ROW_BITS)
        beyond = 1 << SIDE + SIDE // 2
        for row in rows.unbind()[::-1]:
            beyond = self._beyond.index_select(0, row.add_(beyond))
        seen = (self._seen.index_select(0, rows.view(-1)).view(rows.shape) << self._rows).sum(dim=0)
        return (seen[:, None] >> self._columns).bitwise_and_(_LOWEST_BITS).mul_(255)

    def _unpack(self, codes: Int[Tensor, "b k"]) -> UInt8[Tensor, "b 7 7 3"]:
        """Takes the padding and the packing away."""
        b = len(codes)
        dense = torch.zeros(b * SIDE * SIDE + b % 2, dtype=torch.uint8, device=codes.device)  # an even number
        dense[: b * SIDE * SIDE].view(b, SIDE, SIDE).copy_(codes.view(torch.uint8).view(b, SIDE, _PADDED)[..., :SIDE])
        view = self._unpacked.index_select(0, _pairs(dense)).view(-1)
        return view[: b * SIDE * SIDE * 3].view(b, SIDE, SIDE, 3)
