"""Feature-level fusion by a gated sum: each modality's vector is weighed by a gate that sees all of them.

b batch, d width, s state width, m modalities
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from ..modules import NamedModules
from ..tokens import TokenGroup
from .base import Fused, Fusion, availability
from .pool import AttentionPool


class GatedSumFusion(Fusion):
    """state = f(base + sum_m gate_m * v_m), with gate_m in 0..1 for every number of v_m, and 0 where m is absent.

    The gate reads the mean of the vectors that are here beside its own, so one sense can silence another.
    Source: Arevalo et al. 2017 (gated multimodal unit, arXiv 1702.01992), equation 1, for any number of modalities.
    """

    def __init__(
        self, names: Sequence[str], *, width: int, latents: int, layers: int, heads: int, state_dim: int
    ) -> None:
        super().__init__(names, width=width, latents=latents, layers=layers, heads=heads, state_dim=state_dim)
        self.pools = NamedModules({name: AttentionPool(width, 2 * latents) for name in names})
        self.contents = NamedModules({name: nn.Linear(width, 2 * width) for name in names})
        self.gates = NamedModules({name: nn.Linear(2 * width, 2 * width) for name in names})
        self.base = nn.Parameter(torch.randn(2 * width) * 0.1)
        self.mix = nn.Sequential(
            nn.LayerNorm(2 * width), nn.Linear(2 * width, 2 * state_dim), nn.GELU(), nn.Linear(2 * state_dim, state_dim)
        )
        for _, gate in self.gates.items():
            nn.init.constant_(gate.bias, 1.0)

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        present = availability(groups)
        vectors, maps = {}, {}
        for name, pool in self.pools.items():
            vectors[name], maps[name] = pool(groups[name])  # b d
        here = torch.stack(list(present.values())).sum(dim=0).clamp(min=1.0)  # b
        context = torch.stack(list(vectors.values())).sum(dim=0) / here[:, None]  # b d
        total, opened = self.base, {}
        for name, vector in vectors.items():
            gate = torch.sigmoid(self.gates[name](torch.cat([vector, context], dim=-1)))  # b 2d
            gate = torch.where(groups[name].available[:, None], gate, 0.0)
            total = total + gate * self.contents[name](vector)
            opened[name] = gate.mean(dim=-1)
        return Fused(self.mix(total), opened, maps)
