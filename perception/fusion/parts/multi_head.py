"""Scaled dot-product attention without gates, safe where there is nothing to attend to, and the block around it.

The gated one, with a softmax for each modality, is in `perception/fusion/parts/gated.py`.

b batch, q queries, n tokens, d width, h heads, e width of one head
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...tokens import TokenGroup
from .attend import attend
from .gated import SHARPNESS, mask_bias


class Looked(NamedTuple):
    """What attention found, and from what its weights can be had."""

    found: Float[Tensor, "b q d"]
    query: Float[Tensor, "b h q e"]
    key: Float[Tensor, "b h n e"]


class MultiHeadAttention(nn.Module):
    """softmax(q k^T / sqrt(e)) v over the tokens that count, for several heads side by side.

    Any width will do: where it does not divide among the heads, they are a little narrower than it.
    Source: Vaswani et al. 2017 (arXiv 1706.03762), equation 1 and section 3.2.2.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * max(1, width // heads)
        self.query, self.key, self.value = (nn.Linear(width, inner) for _ in range(3))
        self.out = nn.Linear(inner, width)
        nn.init.normal_(self.key.weight, std=SHARPNESS / math.sqrt(width))

    def forward(self, queries: Float[Tensor, "b q d"], context: TokenGroup) -> Looked:
        """Attends to the context; what is found is exactly 0 where no token counts."""
        query = self.query(queries).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # b h q e
        key = self.key(context.tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # b h n e
        value = self.value(context.tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        bias = mask_bias(context.mask, query.dtype)[:, None]  # b 1 1 n
        found = attend(query, key, value, bias)
        found = self.out(found.transpose(1, 2).flatten(2))
        return Looked(torch.where(context.available[:, None, None], found, 0.0), query, key)


def feed_forward(width: int) -> nn.Sequential:
    """A network for each token by itself, normalised before; what comes out is to be added to what went in."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


class AttentionBlock(nn.Module):
    """Attention, then a feed-forward network, each added to what comes in and normalised before.

    Source: Vaswani et al. 2017 (arXiv 1706.03762), section 3.1, with the normalisation first, as in Xiong et al. 2020
        (arXiv 2002.04745), which needs no warm-up.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        self.feed_forward = feed_forward(width)

    def forward(self, queries: Float[Tensor, "b q d"], context: TokenGroup) -> Looked:
        """Lets the queries attend to the context, which comes normalised, and returns the new queries."""
        looked = self.attention(self.norm(queries), context)
        queries = queries + looked.found
        return looked._replace(found=queries + self.feed_forward(queries))

    def among(self, group: TokenGroup, rows: int | None = None) -> Looked:
        """Self-attention: the first `rows` tokens, or all of them, attend to all that count."""
        return self(group.tokens[:, :rows], group._replace(tokens=self.norm(group.tokens)))
