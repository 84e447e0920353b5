"""Feature-level fusion by a weighted sum: one learned weight for each modality, the same whatever is sensed.

b batch, i inner width, s state width
"""

from collections.abc import Mapping

import torch
from torch import nn

from ..modules import NamedModules
from ..tokens import TokenGroup
from .base import Fused, SizedFusion, Sizes
from .parts.pool import AttentionPools


class SumFusion(SizedFusion):
    """state = f(base + sum_m sigmoid(w_m) v_m), over the modalities that are here.

    The weights are reported as gates: they are learned, but unlike those of `gated_sum` they do not read the input.
    Source: Baltrusaitis et al. 2019 (survey, arXiv 1705.09406), section 6.1, on fusing features by simple operations.
    """

    def build(self, sizes: Sizes) -> None:
        inner, hidden = sizes.inner(2 * sizes.width), sizes.inner(2 * sizes.state_dim)
        self.pools = AttentionPools(self.names, sizes.width, 2 * sizes.latents)
        self.contents = NamedModules({name: nn.Linear(sizes.width, inner) for name in self.names})
        self.weights = nn.Parameter(torch.ones(len(self.names)))
        self.base = nn.Parameter(torch.randn(inner) * 0.1)
        self.mix = nn.Sequential(
            nn.LayerNorm(inner), nn.Linear(inner, hidden), nn.GELU(), nn.Linear(hidden, sizes.state_dim)
        )

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        vectors, maps = self.pools(groups)
        total, gates = self.base, {}
        for weight, (name, vector) in zip(torch.sigmoid(self.weights), vectors.items(), strict=True):
            gates[name] = torch.where(groups[name].available, weight, 0.0)  # b
            total = total + gates[name][:, None] * self.contents[name](vector)  # b i
        return Fused(self.mix(total), gates, maps)
