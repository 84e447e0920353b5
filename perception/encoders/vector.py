"""Vectors of numbers to tokens: proprioception, compass, touch, a depth scan.

b batch, d width
"""

import torch
from jaxtyping import Num
from torch import Tensor, nn

from ..kinds.vector import Vector
from ..tokens import TokenGroup


class VectorEncoder(nn.Module):
    """One token from a vector of any scale; asinh keeps small numbers linear and bounds absurd ones (1e30 is 70)."""

    def __init__(self, kind: Vector, width: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(kind.size, width), nn.GELU(), nn.Linear(width, width), nn.LayerNorm(width))

    def forward(self, numbers: Num[Tensor, "b size"]) -> TokenGroup:
        """Encodes finite numbers."""
        numbers = numbers.to(next(self.parameters()).dtype)
        return TokenGroup.of(self.embed(torch.asinh(numbers))[:, None])
