"""Low-rank tensor fusion: what `tensor` computes, with its weights as a sum of a few outer products.

b batch, k size of a vector, r rank, i inner width, s state width
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..modules import NamedModules
from ..tokens import TokenGroup
from .base import Fused, SizedFusion, Sizes, availability
from .parts.pool import AttentionPools

RANK = 4


class LowRankTensorFusion(SizedFusion):
    """state = f(sum_r prod_m (w_m^r [1; h_m]) + b): products of all modalities at a cost that grows with their sum.

    Source: Liu et al. 2018 (LMF, arXiv 1806.00064), equations 4 to 6.
    """

    def build(self, sizes: Sizes) -> None:
        inner = sizes.inner(sizes.state_dim)
        self.pools = AttentionPools(self.names, sizes.width, 2 * sizes.latents)
        self.vectors = NamedModules(
            {name: nn.Sequential(nn.Linear(sizes.width, sizes.width), nn.Tanh()) for name in self.names}
        )
        self.product = LowRankProduct(dict.fromkeys(self.names, sizes.width), RANK, inner)
        self.mix = nn.Sequential(nn.LayerNorm(inner), nn.GELU(), nn.Linear(inner, sizes.state_dim))

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        pooled, maps = self.pools(groups)
        vectors = {
            name: torch.where(groups[name].available[:, None], bounded(pooled[name]), 0.0)  # b k
            for name, bounded in self.vectors.items()
        }
        return Fused(self.mix(self.product(vectors)), availability(groups), maps)


class LowRankProduct(nn.Module):
    """sum_r prod_m (w_m^r [1; h_m]) + b.

    A factor w_m^r [1; h_m] is a linear layer: its bias is the weight of the appended 1, so a modality whose h is 0
    contributes its bias alone. Biases start at 1: a product of many factors then starts near the sum of their
    differences from 1, instead of near 0, where nothing would learn.

    Args:
        sizes: the size of each modality's vector.
        rank: how many outer products are summed.
        outputs: size of the result.
    """

    def __init__(self, sizes: Mapping[str, int], rank: int, outputs: int) -> None:
        super().__init__()
        self.rank = rank
        self.factors = NamedModules({name: nn.Linear(size, rank * outputs) for name, size in sizes.items()})
        self.bias = nn.Parameter(torch.zeros(outputs))
        for _, factor in self.factors.items():
            nn.init.ones_(factor.bias)

    def forward(self, vectors: Mapping[str, Float[Tensor, "b _"]]) -> Float[Tensor, "b i"]:
        """Multiplies the factors of all modalities, and sums over the ranks."""
        factors = [factor(vectors[name]) for name, factor in self.factors.items()]
        product = factors[0]
        for factor in factors[1:]:
            product = product * factor
        return product.unflatten(-1, (self.rank, -1)).sum(dim=1) + self.bias
