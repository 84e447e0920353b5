"""The default fusion: learned latents look at every modality through gates, then become the state.

b batch, l latents, n tokens, d width, h heads, s state width
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..modules import NamedModules
from ..tokens import TokenGroup
from .base import Fused, Fusion
from .parts.gated import GatedCrossAttention, masked_mean


class GatedCrossAttentionFusion(Fusion):
    """Latents, primed by a gated mean of each modality, then blocks of gated cross-attention.

    The priming makes the queries of the very first block depend on all senses: what is said can steer where to look.
    """

    def __init__(
        self, names: Sequence[str], *, width: int, latents: int, layers: int, heads: int, state_dim: int
    ) -> None:
        super().__init__(names, width=width, latents=latents, layers=layers, heads=heads, state_dim=state_dim)
        self.latents = nn.Parameter(torch.randn(latents, width) * 0.02)
        self.primers = NamedModules({name: Primer(width, latents) for name in names})
        self.blocks = nn.ModuleList(GatedCrossAttention(names, width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.readout = nn.Linear(latents * width, state_dim)
        with torch.no_grad():
            self.readout.weight.mul_(0.4)  # a small first state: policies stay undecided while they explore

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        first = next(iter(groups.values())).tokens
        latents = self.latents.to(first.dtype).expand(first.shape[0], -1, -1)  # b l d
        means = {name: masked_mean(group) for name, group in groups.items()}
        opened: dict[str, list[Tensor]] = {name: [] for name in self.names}  # each b l
        primed = latents
        for name, primer in self.primers.items():
            contribution, gate = primer(latents, groups[name], means[name])
            primed = primed + contribution
            opened[name].append(gate)
        latents, maps = primed, {}
        for block in self.blocks:
            latents, gates, maps = block(latents, groups, means)
            for name, gate in gates.items():
                opened[name].append(gate.mean(dim=-1))
        embedding = self.readout(self.norm(latents).flatten(1))
        mean_gates = {name: torch.stack(gates).mean(dim=(0, 2)) for name, gates in opened.items()}
        return Fused(embedding, mean_gates, {name: weights.mean(dim=1) for name, weights in maps.items()})


class Primer(nn.Module):
    """A first, gated impression of one modality: the mean of its tokens, seen by each latent in its own way."""

    def __init__(self, width: int, latents: int) -> None:
        super().__init__()
        self.impression = nn.Linear(width, latents * width)
        self.gate = nn.Linear(width, latents)
        nn.init.constant_(self.gate.bias, 1.0)

    def forward(
        self, latents: Float[Tensor, "b l d"], group: TokenGroup, mean: Float[Tensor, "b d"]
    ) -> tuple[Float[Tensor, "b l d"], Float[Tensor, "b l"]]:
        """Returns the gated contribution to each latent and the gates, both exactly 0 where the modality is absent."""
        impression = self.impression(mean).unflatten(-1, latents.shape[1:])  # b l d
        available = group.available[:, None]
        gate = torch.where(available, torch.sigmoid(self.gate(mean)), 0.0)  # b l
        return torch.where(available[..., None], gate[..., None] * impression, 0.0), gate
