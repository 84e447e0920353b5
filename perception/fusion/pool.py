"""One vector from a modality's tokens by attention with learned queries; for fusions that mix vectors, not tokens.

b batch, n tokens, d width, q queries
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..attention import SHARPNESS, masked_softmax
from ..tokens import TokenGroup


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
        scores = torch.matmul(group.tokens, self.queries.T).transpose(1, 2)  # b q n
        weights = masked_softmax(scores, group.mask)
        pooled = torch.bmm(weights.to(group.tokens.dtype), group.tokens).flatten(1)
        vector = torch.where(here, self.combine(pooled), 0.0)
        return vector, torch.where(here[..., None], weights, 0.0)
