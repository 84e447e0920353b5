"""A script: tries to export a perception with an encoder that cannot be exported, and prints the error.

python tests/kit/faulty_encoders.py FOLDER looks|random
"""

import dataclasses
import sys
from typing import ClassVar

import numpy as np
import torch
from gymnasium import spaces

from senseweave.perception import (
    Kind,
    Perception,
    PerceptionConfig,
    SenseweaveError,
    Spec,
    TokenGroup,
    register_encoder,
    register_kind,
)
from senseweave.policies.export import export


@register_kind
@dataclasses.dataclass(frozen=True)
class Odour(Kind):
    """Two numbers."""

    dtype: ClassVar[type[np.generic]] = np.float32

    def space(self) -> spaces.Box:
        return spaces.Box(0.0, 1.0, (2,), np.float32)


class LooksAtValues(torch.nn.Module):
    """Takes another way for strong odours."""

    def __init__(self, kind, width):
        super().__init__()
        self.receptors = torch.nn.Parameter(torch.randn(2, width))

    def forward(self, numbers):
        if numbers.max() > 0.5:
            numbers = numbers * 0.5
        return TokenGroup.of(numbers[..., None] * self.receptors)


class DrawsAtRandom(LooksAtValues):
    """Adds noise."""

    def forward(self, numbers):
        return TokenGroup.of((numbers + torch.rand_like(numbers))[..., None] * self.receptors)


if __name__ == "__main__":
    register_encoder(Odour, {"looks": LooksAtValues, "random": DrawsAtRandom}[sys.argv[2]])
    perception = Perception(Spec(nose=Odour()), PerceptionConfig(width=16, latents=2, heads=2, state_dim=8))
    try:
        export(perception, sys.argv[1])
    except SenseweaveError as error:
        print(f"{type(error).__name__}: {error}")
