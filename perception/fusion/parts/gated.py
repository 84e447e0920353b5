"""Gated cross-attention from latents to the tokens of several modalities, safe where a modality is absent.

No encoders and no readout here: `fusion/gated_cross_attention.py` stacks this block. Every modality has a softmax of
its own, so an absent one takes nothing away from the others, and every contribution passes a sigmoid gate.

b batch, l latents, n tokens, d width, h heads, e width of one head
"""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ...modules import NamedModules
from ...tokens import TokenGroup
from .attend import attend

SHARPNESS = 4.0
"""Scale of the first keys: untrained heads look at a few tokens each, not at an even mixture of all."""

Gates = dict[str, Float[Tensor, "b l h"]]
Maps = dict[str, Float[Tensor, "b h l n"]]


def mask_bias(mask: Bool[Tensor, "b n"], dtype: torch.dtype) -> Float[Tensor, "b 1 n"]:
    """What makes a softmax of scores one over the tokens that count, when it is added: 0 or -inf.

    A sample without any such token attends to all of its (finite, meaningless) tokens: that keeps the softmax and its
    gradient free of NaN, and the caller drops the result.
    """
    attended = mask | ~mask.any(dim=1, keepdim=True)
    bias = torch.zeros(attended.shape, dtype=dtype, device=attended.device)
    return bias.masked_fill(~attended, -math.inf)[:, None]


def masked_softmax(scores: Float[Tensor, "b q n"], mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b q n"]:
    """Softmax over the tokens that count; see `mask_bias` for samples that have none."""
    return (scores + mask_bias(mask, scores.dtype)).softmax(dim=-1)


def masked_mean(group: TokenGroup) -> Float[Tensor, "b d"]:
    """The mean of the tokens that count; 0 where none does."""
    weights = group.mask.to(group.tokens.dtype)
    weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1.0)
    return torch.bmm(weights[:, None], group.tokens)[:, 0]


class CrossAttentionHeads(nn.Module):
    """Keys and values of one modality, and its gate.

    What is taken in is how the attended tokens differ from the mean token: most of a view is the same from step to
    step, and a policy would first learn from that sameness, which tells it nothing. Written plainly, with the key
    matrices K (h e d), the value matrices V (h d e) and the gates' v (h e):

        weights  b h l n   softmax over n of  einsum("blhe,hed,bnd->bhln", query, K, tokens) / sqrt(e)
        pooled   b h l d   einsum("bhln,bnd->bhld", weights, tokens) - mean
        value    b l h e   einsum("bhld,hde->blhe", pooled, V)
        gates    b l h     sigmoid(gate_query(latents) + einsum("blhe,he->blh", value, v)), 0 where absent
        result   b l h e   gates * value

    Latents are few and tokens many. So `forward` applies K to the queries and V to the pooled tokens, not to every
    token: the same attention at a fraction of the multiplications. It folds heads and latents into one axis, so that
    each product is one batched matrix product (`bmm`), to which the mask or the mean is added at once (`baddbmm`).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        head_width = width // heads
        self.key = nn.Parameter(torch.randn(heads, head_width, width) * SHARPNESS / math.sqrt(width))
        self.value = nn.Parameter(torch.randn(heads, width, head_width) / math.sqrt(width))
        self.gate_query = nn.Linear(width, heads)
        self.gate_value = nn.Parameter(torch.randn(heads, head_width) / math.sqrt(width))
        nn.init.constant_(self.gate_query.bias, 1.0)  # mostly open at the start, so that every sense is heard

    def forward(
        self,
        query: Float[Tensor, "b l h e"],
        latents: Float[Tensor, "b l d"],
        group: TokenGroup,
        mean: Float[Tensor, "b d"],
    ) -> tuple[Float[Tensor, "b l h e"], Float[Tensor, "b l h"], Float[Tensor, "b h l n"]]:
        """Attends to the group's tokens.

        Args:
            query: the latents' queries.
            latents: the normalised latents themselves, for the gate.
            group: the tokens of this modality.
            mean: their mean.

        Returns:
            The gated contribution, the gates and the attention weights; all exactly 0 where the modality is absent.
        """
        b, l, h, e = query.shape
        tokens, available = group.tokens, group.available
        by_head = query.permute(2, 0, 1, 3).reshape(h, b * l, e)
        folded = torch.bmm(by_head, self.key / math.sqrt(e)).view(h, b, l, -1)  # K applied to the queries
        folded = folded.transpose(0, 1).reshape(b, h * l, -1)  # b (h l) d
        scores = torch.baddbmm(mask_bias(group.mask, folded.dtype), folded, tokens.transpose(1, 2))
        weights = scores.softmax(dim=-1)  # b (h l) n
        pooled = torch.baddbmm(mean[:, None], weights.to(tokens.dtype), tokens, beta=-1.0)  # b (h l) d
        pooled = pooled.view(b, h, l, -1).transpose(0, 1).reshape(h, b * l, -1)
        value = torch.bmm(pooled, self.value)  # h (b l) e
        felt = torch.bmm(value, self.gate_value[..., None]).view(h, b * l).t()  # (b l) h
        gates = torch.sigmoid(self.gate_query(latents) + felt.view(b, l, h))
        gates = torch.where(available[:, None, None], gates, 0.0)
        contribution = (gates.view(b * l, h).t()[..., None] * value).view(h, b, l, e)  # exactly 0 where the gate is
        maps = torch.where(available[:, None, None, None], weights.detach().view(b, h, l, -1), 0.0)
        return contribution.permute(1, 2, 0, 3), gates, maps


class GatedCrossAttention(nn.Module):
    """One block: gated cross-attention to every modality, gated feed-forward, self-attention among the latents.

    The feed-forward branch is multiplied by the mean gate of the modalities that are here, so a block to which
    nothing comes in, or whose gates are all shut, changes the latents by their self-attention alone.

    Source: Alayrac et al. 2022 (Flamingo), equation 2, with the scalar tanh gates replaced by query- and
        input-dependent sigmoid gates per head (Qiu et al. 2025, arXiv 2505.06708, equation 5).
    """

    def __init__(self, names: Sequence[str], width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.modalities = NamedModules({name: CrossAttentionHeads(width, heads) for name in names})
        self.out = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.mix = SelfAttention(width, heads)

    def forward(
        self,
        latents: Float[Tensor, "b l d"],
        groups: Mapping[str, TokenGroup],
        means: Mapping[str, Float[Tensor, "b d"]],
    ) -> tuple[Float[Tensor, "b l d"], Gates, Maps]:
        """Lets the modalities into the latents.

        Args:
            latents: what is known so far.
            groups: the tokens of each modality.
            means: their means.

        Returns:
            The new latents, and by modality the gates and the attention weights.
        """
        normed = self.norm(latents)
        query = self.query(normed).unflatten(-1, (self.heads, -1))  # b l h e
        contributions, gates, maps = [], {}, {}
        for name, heads in self.modalities.items():
            contribution, gates[name], maps[name] = heads(query, normed, groups[name], means[name])
            contributions.append(contribution)
        attended = torch.stack(contributions).sum(dim=0).flatten(2)  # b l d
        openness = self.openness(groups, gates)  # b l 1
        latents = latents + self.out(attended) * (openness > 0)
        latents = latents + openness * self.feed_forward(latents)
        return latents + self.mix(latents), gates, maps

    @staticmethod
    def openness(groups: Mapping[str, TokenGroup], gates: Gates) -> Float[Tensor, "b l 1"]:
        """The mean gate of the modalities that are here; 0 where none is."""
        here = torch.stack([groups[name].available for name in gates]).sum(dim=0).clamp(min=1)  # b
        total = torch.stack([gate.mean(dim=-1) for gate in gates.values()]).sum(dim=0)  # b l
        return (total / here[:, None])[..., None]


class SelfAttention(nn.Module):
    """Self-attention without a mask: latents are never absent."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, latents: Float[Tensor, "b l d"]) -> Float[Tensor, "b l d"]:
        projected = self.query_key_value(self.norm(latents)).unflatten(-1, (3, self.heads, -1))
        query, key, value = projected.permute(2, 0, 3, 1, 4)  # each b h l e
        mixed = attend(query, key, value)
        return self.out(mixed.transpose(1, 2).flatten(2))
