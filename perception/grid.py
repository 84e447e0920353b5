"""Cells of categories to tokens: a learned vector for every category of every channel, one token per cell.

b batch, c channels, n cells, d width, k categories of all channels together
"""

import torch
from jaxtyping import Num
from torch import Tensor, nn

from .spec import Grid
from .tokens import TokenGroup


class GridEncoder(nn.Module):
    """BabyAI's "bag of words" view: the vectors of a cell's categories are added, with its row and column.

    The look-up is a product with one-hot rows: categories are few, and its gradient is a product as well, where the
    gradient of an indexed look-up is a slow scatter.
    Source: Hui et al. 2020 (BabyAI 1.1, arXiv 2007.12770), section 3.
    """

    highest: Tensor
    channel: Tensor
    category: Tensor

    def __init__(self, kind: Grid, width: int) -> None:
        super().__init__()
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
        cells = torch.minimum(cells.flatten(1, 2).clamp(min=0), self.highest.to(cells.dtype))  # b n c
        one_hot = cells[..., self.channel] == self.category.to(cells.dtype)  # b n k
        position = (self.row + self.column).flatten(0, 1)  # n d
        tokens = self.categories(one_hot.to(position.dtype)) + position
        return TokenGroup.of(self.norm(tokens + self.mix(tokens)))
