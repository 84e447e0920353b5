"""Depth maps to tokens: as camera frames, of two channels, how far and whether that is known.

b batch, d width
"""

import torch
from jaxtyping import Num
from torch import Tensor

from ..kinds.depth import Depth
from ..tokens import TokenGroup
from .patches import PatchEncoder


class DepthEncoder(PatchEncoder):
    """Depth maps of any size from 16 x 16 pixels up to at most 64 tokens."""

    def __init__(self, kind: Depth, width: int) -> None:
        super().__init__(2, kind.height, kind.width, width)
        self.max_m = kind.max_m

    def forward(self, distances: Num[Tensor, "b height width"]) -> TokenGroup:
        """Encodes finite distances in metres; the root spreads out what is near, where a hand's breadth counts."""
        share = (distances.to(self.row.dtype) / self.max_m).clamp(0.0, 1.0)
        # no gradient is asked of a root at 0, where it would be infinite
        far = torch.where(share > 0.0, share.clamp(min=1e-8).sqrt(), 0.0)
        return self.patches(torch.stack([2.0 * far - 1.0, (share > 0.0).to(share.dtype)], dim=1))
