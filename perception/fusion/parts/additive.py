"""Additive attention: a small network judges each token in the light of a question; for fusions that ask.

b batch, n tokens, d width, q width of the question, i inner width, g glimpses
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...tokens import TokenGroup
from .gated import SHARPNESS, masked_softmax


class AdditiveAttention(nn.Module):
    """softmax(v tanh(W x_n + U q)) over the tokens x_n that count, for each row of v a glimpse; then one vector.

    Source: Bahdanau et al. 2014 (arXiv 1409.0473), section 3.1 and appendix A.1.2.
    """

    def __init__(self, width: int, question: int, inner: int, glimpses: int) -> None:
        super().__init__()
        self.token = nn.Linear(width, inner)
        self.question = nn.Linear(question, inner, bias=False)
        self.score = nn.Linear(inner, glimpses, bias=False)
        self.combine = nn.Linear(glimpses * width, inner)
        nn.init.normal_(self.score.weight, std=SHARPNESS / math.sqrt(inner))

    def forward(
        self, group: TokenGroup, question: Float[Tensor, "b q"]
    ) -> tuple[Float[Tensor, "b i"], Float[Tensor, "b g n"]]:
        """Returns what was seen and the weights, both exactly 0 where the modality is absent."""
        here = group.available[:, None]
        judged = torch.tanh(self.token(group.tokens) + self.question(question)[:, None])  # b n i
        weights = masked_softmax(self.score(judged).transpose(1, 2), group.mask)
        glimpses = torch.bmm(weights.to(group.tokens.dtype), group.tokens).flatten(1)
        seen = torch.where(here, self.combine(glimpses), 0.0)
        return seen, torch.where(here[..., None], weights, 0.0)
