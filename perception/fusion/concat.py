"""Feature-level fusion by concatenation: one vector for each modality, side by side, and a small network on top.

b batch, d width, s state width, m modalities
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from ..modules import NamedModules
from ..tokens import TokenGroup
from .base import Fused, Fusion, availability
from .pool import AttentionPool


class ConcatFusion(Fusion):
    """[v_1; ...; v_m; present] through two linear layers; an absent modality's place is zeros, and its flag says so."""

    def __init__(
        self, names: Sequence[str], *, width: int, latents: int, layers: int, heads: int, state_dim: int
    ) -> None:
        super().__init__(names, width=width, latents=latents, layers=layers, heads=heads, state_dim=state_dim)
        self.pools = NamedModules({name: AttentionPool(width, 2 * latents) for name in names})
        self.mix = nn.Sequential(
            nn.Linear(len(names) * (width + 1), 2 * state_dim), nn.GELU(), nn.Linear(2 * state_dim, state_dim)
        )

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        present = availability(groups)
        vectors, maps = [], {}
        for name, pool in self.pools.items():
            vector, maps[name] = pool(groups[name])
            vectors += [vector, present[name][:, None]]
        return Fused(self.mix(torch.cat(vectors, dim=-1)), present, maps)
