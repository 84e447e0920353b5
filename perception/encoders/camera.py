"""Camera frames to tokens: a small convolutional stem, one token per patch, with its row and column.

Frames stay uint8 until they are here, on the device. No pretrained weights, no cropping, no augmentation.

b batch, c channels, n tokens, d width
"""

import math

import torch
from jaxtyping import Num
from torch import Tensor, nn

from ..kinds.camera import Camera
from ..tokens import TokenGroup

MAX_PATCHES = 64
"""More patches than this cost more than they tell: larger frames get more halving stages instead."""


class CameraEncoder(nn.Module):
    """Frames of any size from 16 x 16 pixels up to at most 64 tokens.

    A 4 x 4 patch embedding is followed by 3 x 3 convolutions of stride 2, until at most `MAX_PATCHES` are left.

    Attributes:
        grid_shape: how the tokens lie in the frame: token i is the patch (i // columns, i % columns).
        patch_px: side of a patch; the last ones may reach beyond the frame.
    """

    def __init__(self, kind: Camera, width: int) -> None:
        super().__init__()
        rows, columns = math.ceil(kind.height / 4), math.ceil(kind.width / 4)
        self.padding = (0, 4 * columns - kind.width, 0, 4 * rows - kind.height)
        stages: list[nn.Module] = [nn.Conv2d(3, width // 2, 4, stride=4)]
        channels, self.patch_px = width // 2, 4
        while channels != width or rows * columns > MAX_PATCHES:
            stages += [nn.ReLU(), nn.Conv2d(channels, width, 3, stride=2, padding=1)]
            channels, rows, columns = width, math.ceil(rows / 2), math.ceil(columns / 2)
            self.patch_px *= 2
        self.stem = nn.Sequential(*stages)
        self.grid_shape = (rows, columns)
        self.row = nn.Parameter(torch.randn(rows, 1, width) * 0.3)
        self.column = nn.Parameter(torch.randn(1, columns, width) * 0.3)
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Num[Tensor, "b height width 3"]) -> TokenGroup:
        """Encodes frames, uint8 or floats in 0..255; values beyond are cut off."""
        pixels = frames.permute(0, 3, 1, 2)  # b c height width
        pixels = pixels.clamp(0.0, 255.0) if frames.is_floating_point() else pixels.to(self.row.dtype)
        pixels = pixels.to(self.row.dtype).mul_(2.0 / 255.0).sub_(1.0)  # in place: `pixels` is new, and large
        if any(self.padding):
            pixels = nn.functional.pad(pixels, self.padding)
        patches = self.stem(pixels).flatten(2).transpose(1, 2)  # b n d
        position = (self.row + self.column).flatten(0, 1)  # n d
        return TokenGroup.of(self.norm(patches + position))
