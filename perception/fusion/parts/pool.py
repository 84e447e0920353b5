"""One vector from a modality's tokens by attention with learned queries; for fusions that mix vectors, not tokens.

b batch, n tokens, d width, q queries
"""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...modules import NamedModules
from ...tokens import TokenGroup
from .gated import SHARPNESS, masked_softmax


class AttentionPool(nn.Module):
    """Learned queries each take a weighted mean of the tokens; together they become one vector.

    Without a query that picks places, a plain mean would forget where in the frame a thing was.
    """

    def __init__(self, width: int, queries: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(queries, width) * SHARPNESS / math.sqrt(width))
        self.combine = nn.Sequential(nn.Linear(queries * width, width), nn.LayerNorm(width), nn.GELU())

    def forward(self, group: TokenGroup) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b q n"]]:
        """Returns the vector and the weights, both exactly 0 where the modality is absent."""
        here = group.available[:, None]
        weights = masked_softmax(self.scores(group.tokens), group.mask)
        pooled = torch.bmm(weights.to(group.tokens.dtype), group.tokens).flatten(1)
        vector = torch.where(here, self.combine(pooled), 0.0)
        return vector, torch.where(here[..., None], weights, 0.0)

    def scores(self, tokens: Float[Tensor, "b n d"]) -> Float[Tensor, "b q n"]:
        """How much each query likes each token, before the softmax."""
        return torch.matmul(tokens, self.queries.T).transpose(1, 2)


class AttentionPools(NamedModules[AttentionPool]):
    """A pool for each modality: tokens in, one vector each out."""

    def __init__(self, names: Sequence[str], width: int, queries: int) -> None:
        super().__init__({name: AttentionPool(width, queries) for name in names})

    def forward(
        self, groups: Mapping[str, TokenGroup]
    ) -> tuple[dict[str, Float[Tensor, "b d"]], dict[str, Float[Tensor, "b q _"]]]:
        """Returns vectors and weights by modality, exactly 0 where it is absent."""
        vectors, maps = {}, {}
        for name, pool in self.items():
            vectors[name], maps[name] = pool(groups[name])
        return vectors, maps
