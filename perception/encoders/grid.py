"""Cells of categories to tokens: a learned vector for every category of every channel, one token per cell.

b batch, c channels, n cells, d width, k categories of all channels together, u distinct cells
"""

import math

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn
from torch.nn import functional

from ..spec import Grid
from ..tokens import TokenGroup

FEWEST = 256
"""Distinct cells are filled up to this number at least."""

LARGEST_CODE = 2**31 - 1
"""More combinations of categories and place than this are not told apart."""


class GridEncoder(nn.Module):
    """BabyAI's "bag of words" view: the vectors of a cell's categories are added, with its row and column.

    The look-up is a product with one-hot rows: categories are few, and its gradient is a product as well, where the
    gradient of an indexed look-up is a slow scatter. Where few of many cells differ (`pick`), a look-up of whole tokens
    is cheaper still.
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

    def forward(self, cells: Num[Tensor, "b height width c"]) -> TokenGroup:
        """Encodes category numbers; numbers beyond a channel's size count as its last category."""
        cells = self._within_sizes(cells.flatten(1, 2))  # b n c
        return TokenGroup.of(self._tokens(cells, (self.row + self.column).flatten(0, 1)))

    def distinct(self, cells: Num[Tensor, "b height width c"]) -> tuple[Int[Tensor, "b n"], Int[Tensor, "u c1"]] | None:
        """Tells equal cells at equal places by their numbers; waits for the device.

        Returns:
            For each cell its number, int32, and for each number its categories and, last, its place; filled up with
            cells that nobody has to a power of two, at least `FEWEST`, so that compiled graphs see few shapes. None
            where there are too many combinations to count them.
        """
        cells = self._within_sizes(cells.flatten(1, 2)).int()
        places, combinations = cells.shape[1], math.prod(self.sizes)
        if places * combinations > LARGEST_CODE:
            return None
        code = torch.arange(places, dtype=torch.int32, device=cells.device)
        for channel, size in enumerate(self.sizes):
            code = code * size + cells[..., channel]
        codes, numbers = torch.unique(code, return_inverse=True)
        filled = max(FEWEST, 1 << (len(codes) - 1).bit_length())
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
