"""The tokens of all modalities as one sequence, for fusions that look at all of them with one softmax.

b batch, n tokens of a modality or of all, d width, i inner width, h heads, l queries
"""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ...tokens import TokenGroup
from .gated import masked_softmax
from .multi_head import Looked


class JointTokens(nn.Module):
    """Puts the modalities' tokens in a row and adds to each a learned vector that says where it comes from."""

    def __init__(self, names: Sequence[str], width: int, inner: int) -> None:
        super().__init__()
        self.names = tuple(names)
        self.project = nn.Linear(width, inner, bias=False)
        self.modality = nn.Parameter(torch.randn(len(names), inner) * 0.3)

    def forward(self, groups: Mapping[str, TokenGroup]) -> TokenGroup:
        """Returns the sequence (b n i); tokens that do not count are zeros before they are projected."""
        ordered = [groups[name] for name in self.names]
        mask = torch.cat([group.mask for group in ordered], dim=1)
        tokens = torch.cat([group.tokens for group in ordered], dim=1)
        tokens = self.project(torch.where(mask[..., None], tokens, 0.0))
        sizes = [group.mask.shape[1] for group in ordered]
        origins = torch.cat([row.expand(size, -1) for row, size in zip(self.modality, sizes, strict=True)])  # n i
        return TokenGroup(tokens + origins.to(tokens.dtype), mask)

    @torch.no_grad()
    def maps(self, looked: Looked, groups: Mapping[str, TokenGroup]) -> dict[str, Float[Tensor, "b l _"]]:
        """Attention maps for each modality by itself, beside the attention, from the same queries and keys."""
        return self.apart(torch.matmul(looked.query / math.sqrt(looked.query.shape[-1]), looked.key.mT), groups)

    @torch.no_grad()
    def apart(
        self, scores: Float[Tensor, "b h l n"], groups: Mapping[str, TokenGroup]
    ) -> dict[str, Float[Tensor, "b l _"]]:
        """Takes scores over the whole sequence apart.

        Returns:
            Where a query looks *within* a modality, mean over heads; each sums to 1, and is 0 where it is absent.
        """
        sizes = [groups[name].mask.shape[1] for name in self.names]
        maps = {}
        for name, part in zip(self.names, scores.split(sizes, dim=-1), strict=True):
            weights = masked_softmax(part.flatten(1, 2), groups[name].mask).view(part.shape).mean(dim=1)
            maps[name] = torch.where(groups[name].available[:, None, None], weights, 0.0)
        return maps
