"""Cells of categories to tokens: a learned vector for every category of every channel, one token per cell.

b batch, c channels, n cells, d width, k categories of all channels together, u distinct cells
"""

import math
from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor, nn
from torch.nn import functional

from ..kinds.grid import Grid
from ..observation.absence import zeroed
from ..observation.layout import READING, Form, StandIn
from ..tokens import TokenGroup
from .base import Encoder

MIN_DISTINCT = 256
"""Distinct cells are filled up to this number at least."""

WORTH = 4
"""Cells that are perceived at a time for each distinct one, at least; with fewer the picking costs what it saves."""

MAX_CODE = 2**31 - 1
"""More combinations of categories and place than this are not told apart."""


class GridEncoder(Encoder):
    """BabyAI's "bag of words" view: the vectors of a cell's categories are added, with its row and column.

    The look-up is a product with one-hot rows: categories are few, and its gradient is a product as well, where the
    gradient of an indexed look-up is a slow scatter.

    Most cells of a view are alike: in 100,000 cells of 2,048 views of one room some 300 differ. Who perceives many
    views at once, as a trainer does, has each of them encoded once, and its token looked up (`condense`): `distinct`
    cells with their places, and for each cell of a view which of them it is (`numbers`).

    Source: Hui et al. 2020 (BabyAI 1.1, arXiv 2007.12770), section 3.
    """

    highest: Tensor
    channel: Tensor
    category: Tensor

    def __init__(self, kind: Grid, width: int) -> None:
        super().__init__()
        self.sizes = kind.sizes
        self.grid_shape = (kind.height, kind.width)
        self.categories = nn.Linear(sum(kind.sizes), width, bias=False)
        self.row = nn.Parameter(torch.randn(kind.height, 1, width) * 0.3)
        self.column = nn.Parameter(torch.randn(1, kind.width, width) * 0.3)
        self.mix = nn.Sequential(nn.ReLU(), nn.Linear(width, width))
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.categories.weight, std=0.5)
        offsets = torch.tensor([0, *kind.sizes[:-1]]).cumsum(0)
        channel = torch.tensor([number for number, size in enumerate(kind.sizes) for _ in range(size)])
        self.register_buffer("highest", torch.tensor(kind.sizes) - 1, persistent=False)
        self.register_buffer("channel", channel, persistent=False)
        self.register_buffer("category", torch.arange(sum(kind.sizes)) - offsets[channel], persistent=False)

    def stand_ins(self) -> tuple[StandIn, ...]:
        rows, columns = self.grid_shape
        return ({"numbers": Form((rows * columns,)), "distinct": Form((len(self.sizes) + 1,), is_shared=True)},)

    def encode(self, clean: Mapping[str, Tensor]) -> TokenGroup:
        return self.pick(clean["numbers"], clean["distinct"]) if "numbers" in clean else self(clean[READING])

    def condense(
        self, readings: Num[Tensor, "b height width c"], here: Bool[Tensor, " b"] | None, samples: int
    ) -> dict[str, Tensor] | None:
        if readings.is_floating_point():
            return None
        numbered = self.distinct(readings if here is None else zeroed(readings, here))
        if numbered is None:
            return None
        numbers, distinct = numbered
        pays = len(distinct) * WORTH <= samples * numbers.shape[1]
        return {"numbers": numbers, "distinct": distinct} if pays else None

    def forward(self, cells: Num[Tensor, "b height width c"]) -> TokenGroup:
        """Encodes category numbers; numbers beyond a channel's size count as its last category."""
        cells = self._within_sizes(cells.flatten(1, 2))  # b n c
        return TokenGroup.of(self._tokens(cells, (self.row + self.column).flatten(0, 1)))

    def distinct(self, cells: Num[Tensor, "b height width c"]) -> tuple[Int[Tensor, "b n"], Int[Tensor, "u c1"]] | None:
        """Tells equal cells at equal places by their numbers; waits for the device.

        Returns:
            For each cell its number, int32, and for each number its categories and, last, its place; filled up with
            cells that nobody has to a power of two, at least `MIN_DISTINCT`, so that compiled graphs see few shapes.
            None where there are too many combinations to count them.
        """
        cells = self._within_sizes(cells.flatten(1, 2)).int()
        places, combinations = cells.shape[1], math.prod(self.sizes)
        if places * combinations > MAX_CODE:
            return None
        code = torch.arange(places, dtype=torch.int32, device=cells.device)
        for channel, size in enumerate(self.sizes):
            code = code * size + cells[..., channel]
        codes, numbers = torch.unique(code, return_inverse=True)
        filled = max(MIN_DISTINCT, 1 << (len(codes) - 1).bit_length())
        codes = functional.pad(codes, (0, filled - len(codes)))
        columns = []
        for size in reversed(self.sizes):
            columns.append(codes % size)
            codes = codes // size
        return numbers.int(), torch.stack([*reversed(columns), codes], dim=1)

    def pick(self, numbers: Num[Tensor, "b n"], distinct: Num[Tensor, "u c1"]) -> TokenGroup:
        """As `forward`, of what `distinct` gave: each distinct cell is encoded once, and its token looked up."""
        position, distinct = (self.row + self.column).flatten(0, 1), distinct.long()
        table = self._tokens(distinct[:, :-1], position[distinct[:, -1]])
        return TokenGroup.of(functional.embedding(numbers.long(), table))

    def _within_sizes(self, cells: Num[Tensor, "... c"]) -> Num[Tensor, "... c"]:
        cells = cells.short() if cells.dtype == torch.int8 else cells  # sizes go to 256
        return torch.minimum(cells.clamp(min=0), self.highest.to(cells.dtype))

    def _tokens(self, cells: Num[Tensor, "... c"], position: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        one_hot = cells[..., self.channel] == self.category.to(cells.dtype)  # ... k
        tokens = self.categories(one_hot.to(position.dtype)) + position
        return self.norm(tokens + self.mix(tokens))
