"""Recurrent co-attention: the modalities tell each other what they found, and look again, for some rounds.

b batch, i inner width, s state width
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..modules import NamedModules
from ..tokens import TokenGroup
from .base import Fused, SizedFusion, Sizes, availability
from .parts.additive import AdditiveAttention

Findings = dict[str, Float[Tensor, "b i"]]


class CoAttentionFusion(SizedFusion):
    """T = `layers` + 1 rounds over one finding for each modality, all with the same weights.

    Nothing is found before the first round, so there each modality looks unguided; from the second on what the others
    found guides where it looks.
    Source: Lu et al. 2016 (arXiv 1606.00061), section 3.3, alternating co-attention: a modality attends to its tokens,
        guided by what was attended elsewhere, starting with no guide. Here all modalities do it side by side, the guide
        is the mean of the others' messages, and a gated update carries the findings from round to round.
    """

    def build(self, sizes: Sizes) -> None:
        inner, hidden = sizes.inner(sizes.width), sizes.inner(2 * sizes.state_dim)
        self.inner, self.rounds = inner, sizes.layers + 1
        self.partners = NamedModules({name: Partner(sizes.width, inner, sizes.latents) for name in self.names})
        self.readout = nn.Sequential(
            nn.Linear(len(self.names) * (inner + 1), hidden), nn.GELU(), nn.Linear(hidden, sizes.state_dim)
        )

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        present = availability(groups)
        findings: Findings = {
            name: flag[:, None].new_zeros(flag.shape[0], self.inner) for name, flag in present.items()
        }
        maps = {}
        for _ in range(self.rounds):
            findings, maps = self.round(findings, groups)
        beside = [part for name in self.names for part in (findings[name], present[name][:, None])]
        return Fused(self.readout(torch.cat(beside, dim=-1)), present, maps)

    def round(
        self, findings: Findings, groups: Mapping[str, TokenGroup]
    ) -> tuple[Findings, dict[str, Float[Tensor, "b g _"]]]:
        """One round: all modalities hear the findings of the round before, and look.

        Returns:
            The new findings and the attention maps, both exactly 0 where a modality is absent.
        """
        here = {name: groups[name].available[:, None] for name in self.names}  # b 1
        said = {
            name: torch.where(here[name], partner.tell(findings[name]), 0.0) for name, partner in self.partners.items()
        }
        everything, speakers = sum(said.values()), sum(flag.int() for flag in here.values())
        found, maps = {}, {}
        for name, partner in self.partners.items():
            others = (speakers - here[name].int()).clamp(min=1)
            guide = (everything - said[name]) / others
            found[name], maps[name] = partner(findings[name], guide, groups[name])
        return found, maps


class Partner(nn.Module):
    """One modality's side: what it tells, how it looks, how it changes its mind."""

    def __init__(self, width: int, inner: int, glimpses: int) -> None:
        super().__init__()
        self.tell = nn.Linear(inner, inner, bias=False)
        self.look = AdditiveAttention(width, 2 * inner, inner, glimpses)
        self.candidate = nn.Linear(2 * inner, inner)
        self.openness = nn.Linear(3 * inner, inner)

    def forward(
        self, finding: Float[Tensor, "b i"], guide: Float[Tensor, "b i"], group: TokenGroup
    ) -> tuple[Float[Tensor, "b i"], Float[Tensor, "b g n"]]:
        """Looks at the tokens and moves the finding towards what was seen, as far as a gate allows."""
        seen, weights = self.look(group, torch.cat([finding, guide], dim=-1))
        candidate = torch.tanh(self.candidate(torch.cat([seen, guide], dim=-1)))
        openness = torch.sigmoid(self.openness(torch.cat([finding, guide, seen], dim=-1)))
        moved = finding + openness * (candidate - finding)
        return torch.where(group.available[:, None], moved, 0.0), weights
