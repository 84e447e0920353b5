"""Hierarchical fusion: tokens within a modality first, then modalities two by two, until one vector is left.

b batch, i inner width, s state width
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..modules import NamedModules
from ..tokens import TokenGroup
from .base import Fused, SizedFusion, Sizes, availability
from .parts.pool import AttentionPools

Part = tuple[Float[Tensor, "b i"], Bool[Tensor, " b"]]
"""The vector of a modality or of several, exactly 0 where none of them is here, and whether any is."""


class HierarchicalFusion(SizedFusion):
    """Neighbours are merged in alphabetical order, (a b) (c d) e, then the results, ((a b) (c d)) e, up to one.

    An odd one out waits for the next stage. A merge knows which of its two sides is here.
    Source: Majumder et al. 2018 (arXiv 1806.06228), which merges pairs of modalities first and those results next;
        there every pair, here a tree, so that any number of modalities works.
    """

    def build(self, sizes: Sizes) -> None:
        inner, hidden = sizes.inner(sizes.width), sizes.inner(2 * sizes.state_dim)
        self.pools = AttentionPools(self.names, sizes.width, 2 * sizes.latents)
        self.leaves = NamedModules({name: nn.Linear(sizes.width, inner) for name in self.names})
        self.merges = nn.ModuleList(Merge(inner) for _ in range(len(self.names) - 1))
        self.readout = nn.Sequential(nn.Linear(inner, hidden), nn.GELU(), nn.Linear(hidden, sizes.state_dim))

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        vectors, maps = self.pools(groups)
        parts: list[Part] = []
        for name, leaf in self.leaves.items():
            here = groups[name].available
            parts.append((torch.where(here[:, None], leaf(vectors[name]), 0.0), here))
        merges = iter(self.merges)
        while len(parts) > 1:
            merged = [next(merges)(one, other) for one, other in zip(parts[::2], parts[1::2], strict=False)]
            parts = merged + parts[2 * len(merged) :]
        return Fused(self.readout(parts[0][0]), availability(groups), maps)


class Merge(nn.Module):
    """Two vectors become one of the same width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(2 * width + 2, 2 * width), nn.GELU(), nn.Linear(2 * width, width), nn.LayerNorm(width)
        )

    def forward(self, one: Part, other: Part) -> Part:
        """Returns the merged vector, exactly 0 where neither side is here."""
        flags = torch.stack([one[1], other[1]], dim=1).to(one[0].dtype)  # b 2
        merged = self.network(torch.cat([one[0], other[0], flags], dim=-1))
        here = one[1] | other[1]
        return torch.where(here[:, None], merged, 0.0), here
