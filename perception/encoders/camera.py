"""Camera frames to tokens: a small convolutional stem, one token per patch, with its row and column.

Frames stay uint8 until they are here, on the device. No pretrained weights, no cropping, no augmentation.

b batch, c channels, n tokens, d width
"""

from jaxtyping import Num
from torch import Tensor

from ..kinds.camera import Camera
from ..tokens import TokenGroup
from .patches import MAX_PATCHES as MAX_PATCHES
from .patches import PatchEncoder


class CameraEncoder(PatchEncoder):
    """Frames of any size from 16 x 16 pixels up to at most 64 tokens."""

    def __init__(self, kind: Camera, width: int) -> None:
        super().__init__(3, kind.height, kind.width, width)

    def forward(self, frames: Num[Tensor, "b height width 3"]) -> TokenGroup:
        """Encodes frames, uint8 or floats in 0..255; values beyond are cut off."""
        pixels = frames.permute(0, 3, 1, 2)  # b c height width
        pixels = pixels.clamp(0.0, 255.0) if frames.is_floating_point() else pixels.to(self.row.dtype)
        pixels = pixels.to(self.row.dtype).mul_(2.0 / 255.0).sub_(1.0)  # in place: `pixels` is new, and large
        return self.patches(pixels)
