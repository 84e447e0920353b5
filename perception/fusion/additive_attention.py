"""Additive attention as in visual question answering: a question goes from hop to hop and takes in what it finds.

b batch, d width, i inner width, s state width
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..modules import NamedModules
from ..tokens import TokenGroup
from .base import Fused, SizedFusion, Sizes, availability
from .parts.additive import AdditiveAttention
from .parts.gated import masked_mean


class AdditiveAttentionFusion(SizedFusion):
    """u_0 = base + sum_m P_m mean_m; u_(k+1) = u_k + sum_m look_m(tokens_m, u_k); the state is read from the last u.

    In answering questions u_0 is what was asked; here it is a first impression of all modalities that are present, the
    instruction among them, and each of `layers` hops looks at all of them with an additive attention of its own.
    Source: Yang et al. 2016 (stacked attention networks, arXiv 1511.02274), section 3.3, for any number of modalities.
    """

    def build(self, sizes: Sizes) -> None:
        inner, hidden = sizes.inner(2 * sizes.width), sizes.inner(2 * sizes.state_dim)
        self.base = nn.Parameter(torch.randn(inner) * 0.1)
        self.impressions = NamedModules({name: nn.Linear(sizes.width, inner) for name in self.names})
        self.hops = nn.ModuleList(Hop(self.names, sizes.width, inner, sizes.latents) for _ in range(sizes.layers))
        self.readout = nn.Sequential(
            nn.LayerNorm(inner), nn.Linear(inner, hidden), nn.GELU(), nn.Linear(hidden, sizes.state_dim)
        )

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        asked, maps = self.base.expand(next(iter(groups.values())).mask.shape[0], -1), {}  # b i
        for name, impression in self.impressions.items():
            first = impression(masked_mean(groups[name]))
            asked = asked + torch.where(groups[name].available[:, None], first, 0.0)
        for hop in self.hops:
            asked, maps = hop(asked, groups)
        return Fused(self.readout(asked), availability(groups), maps)


class Hop(nn.Module):
    """One question to all modalities; what each of them shows is added to it."""

    def __init__(self, names: Sequence[str], width: int, inner: int, glimpses: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(inner)
        self.looks = NamedModules({name: AdditiveAttention(width, inner, inner, glimpses) for name in names})

    def forward(
        self, asked: Float[Tensor, "b i"], groups: Mapping[str, TokenGroup]
    ) -> tuple[Float[Tensor, "b i"], dict[str, Float[Tensor, "b g _"]]]:
        """Returns the next question and the attention maps, g glimpses for each modality."""
        question, maps = self.norm(asked), {}
        for name, look in self.looks.items():
            seen, maps[name] = look(groups[name], question)
            asked = asked + seen
        return asked, maps
