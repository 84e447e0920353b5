"""Late fusion: each modality comes to a full state of its own, and only the states are combined.

b batch, s state width, m modalities
"""

from collections.abc import Mapping

import torch
from torch import nn

from ..modules import NamedModules
from ..tokens import TokenGroup
from .base import Fused, SizedFusion, Sizes
from .parts.gated import masked_softmax
from .parts.pool import AttentionPools


class LateFusion(SizedFusion):
    """state = sum_m a_m s_m, with a = softmax of learned scores over the modalities that are here.

    No modality can change how another one is read: that is what makes it late. Where nothing is here the state is a
    learned vector. The weights a_m are reported as gates.
    Source: Kittler et al. 1998 (On combining classifiers, IEEE PAMI 20(3)), the sum rule, with learned weights.
    """

    def build(self, sizes: Sizes) -> None:
        inner = sizes.inner(2 * sizes.width)
        self.pools = AttentionPools(self.names, sizes.width, 2 * sizes.latents)
        self.states = NamedModules(
            {
                name: nn.Sequential(nn.Linear(sizes.width, inner), nn.GELU(), nn.Linear(inner, sizes.state_dim))
                for name in self.names
            }
        )
        self.scores = nn.Parameter(torch.zeros(len(self.names)))
        self.nothing = nn.Parameter(torch.randn(sizes.state_dim) * 0.1)

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        vectors, maps = self.pools(groups)
        here = torch.stack([groups[name].available for name in self.names], dim=1)  # b m
        weights = masked_softmax(self.scores.expand(here.shape[0], 1, -1), here)[:, 0]  # b m
        weights = torch.where(here, weights, 0.0)
        states = torch.stack([network(vectors[name]) for name, network in self.states.items()], dim=1)  # b m s
        embedding = torch.einsum("bm,bms->bs", weights.to(states.dtype), states)
        embedding = torch.where(here.any(dim=1, keepdim=True), embedding, self.nothing.to(embedding.dtype))
        return Fused(embedding, dict(zip(self.names, weights.unbind(dim=1), strict=True)), maps)
