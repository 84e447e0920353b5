"""Feature-level fusion by concatenation: one vector for each modality, side by side, and a small network on top.

b batch, d width, s state width, m modalities
"""

from collections.abc import Mapping

import torch
from torch import nn

from ..tokens import TokenGroup
from .base import Fused, SizedFusion, Sizes, availability
from .parts.pool import AttentionPools


class ConcatFusion(SizedFusion):
    """[v_1; ...; v_m; present] through two linear layers; an absent modality's place is zeros, and its flag says so."""

    def build(self, sizes: Sizes) -> None:
        inner = sizes.inner(2 * sizes.state_dim)
        self.pools = AttentionPools(self.names, sizes.width, 2 * sizes.latents)
        self.mix = nn.Sequential(
            nn.Linear(len(self.names) * (sizes.width + 1), inner), nn.GELU(), nn.Linear(inner, sizes.state_dim)
        )

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        present = availability(groups)
        vectors, maps = self.pools(groups)
        beside = [part for name, vector in vectors.items() for part in (vector, present[name][:, None])]
        return Fused(self.mix(torch.cat(beside, dim=-1)), present, maps)
