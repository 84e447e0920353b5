"""`PatchEncoder`: what encoders of pictures share: a small convolutional stem, one token per patch, with its place.

b batch, c channels, n tokens, d width
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..tokens import TokenGroup

MAX_PATCHES = 64
"""More patches than this cost more than they tell: larger pictures get more halving stages instead."""


class PatchEncoder(nn.Module):
    """Pictures of any size from 16 x 16 pixels up to at most 64 tokens.

    A 4 x 4 patch embedding is followed by 3 x 3 convolutions of stride 2, until at most `MAX_PATCHES` are left.

    Args:
        channels: of a picture.
        height: in pixels.
        width: in pixels.
        dim: width of a token.

    Attributes:
        grid_shape: how the tokens lie in the picture: token i is the patch (i // columns, i % columns).
        patch_px: side of a patch; the last ones may reach beyond the picture.
    """

    def __init__(self, channels: int, height: int, width: int, dim: int) -> None:
        super().__init__()
        rows, columns = math.ceil(height / 4), math.ceil(width / 4)
        self.padding = (0, 4 * columns - width, 0, 4 * rows - height)
        stages: list[nn.Module] = [nn.Conv2d(channels, dim // 2, 4, stride=4)]
        made, self.patch_px = dim // 2, 4
        while made != dim or rows * columns > MAX_PATCHES:
            stages += [nn.ReLU(), nn.Conv2d(made, dim, 3, stride=2, padding=1)]
            made, rows, columns = dim, math.ceil(rows / 2), math.ceil(columns / 2)
            self.patch_px *= 2
        self.stem = nn.Sequential(*stages)
        self.grid_shape = (rows, columns)
        self.row = nn.Parameter(torch.randn(rows, 1, dim) * 0.3)
        self.column = nn.Parameter(torch.randn(1, columns, dim) * 0.3)
        self.norm = nn.LayerNorm(dim)

    def patches(self, pixels: Float[Tensor, "b c height width"]) -> TokenGroup:
        """A token for each patch; padding is 0."""
        if any(self.padding):
            pixels = nn.functional.pad(pixels, self.padding)
        patches = self.stem(pixels).flatten(2).transpose(1, 2)  # b n d
        position = (self.row + self.column).flatten(0, 1)  # n d
        return TokenGroup.of(self.norm(patches + position))
