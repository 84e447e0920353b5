"""Feature-level fusion by a gated sum: each modality's vector is weighed by a gate that sees all of them.

b batch, d width, i inner width, s state width, m modalities
"""

from collections.abc import Mapping

import torch
from torch import nn

from ..modules import NamedModules
from ..tokens import TokenGroup
from .base import Fused, SizedFusion, Sizes, availability
from .parts.pool import AttentionPools


class GatedSumFusion(SizedFusion):
    """state = f(base + sum_m gate_m * v_m), with gate_m in 0..1 for every number of v_m, and 0 where m is absent.

    The gate reads the mean of the vectors that are here beside its own, so one sense can silence another.
    Source: Arevalo et al. 2017 (gated multimodal unit, arXiv 1702.01992), equation 1, for any number of modalities.
    """

    def build(self, sizes: Sizes) -> None:
        inner, hidden = sizes.inner(2 * sizes.width), sizes.inner(2 * sizes.state_dim)
        self.pools = AttentionPools(self.names, sizes.width, 2 * sizes.latents)
        self.contents = NamedModules({name: nn.Linear(sizes.width, inner) for name in self.names})
        self.gates = NamedModules({name: nn.Linear(2 * sizes.width, inner) for name in self.names})
        self.base = nn.Parameter(torch.randn(inner) * 0.1)
        self.mix = nn.Sequential(
            nn.LayerNorm(inner), nn.Linear(inner, hidden), nn.GELU(), nn.Linear(hidden, sizes.state_dim)
        )
        for _, gate in self.gates.items():
            nn.init.constant_(gate.bias, 1.0)

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        present = availability(groups)
        vectors, maps = self.pools(groups)  # each b d
        here = torch.stack(list(present.values())).sum(dim=0).clamp(min=1.0)  # b
        context = torch.stack(list(vectors.values())).sum(dim=0) / here[:, None]  # b d
        total, opened = self.base, {}
        for name, vector in vectors.items():
            gate = torch.sigmoid(self.gates[name](torch.cat([vector, context], dim=-1)))  # b i
            gate = torch.where(groups[name].available[:, None], gate, 0.0)
            total = total + gate * self.contents[name](vector)
            opened[name] = gate.mean(dim=-1)
        return Fused(self.mix(total), opened, maps)
