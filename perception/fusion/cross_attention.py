"""Cross-attention without gates: learned latents attend to the tokens of all modalities with one softmax.

b batch, n tokens of all modalities, i inner width, l latents, s state width
"""

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from torch import nn

from ..tokens import TokenGroup
from .base import Fused, SizedFusion, Sizes, availability
from .parts.joint import JointTokens
from .parts.multi_head import AttentionBlock


class CrossAttentionFusion(SizedFusion):
    """In each layer the latents attend to every token that is here, then to each other.

    Beside the default fusion it shows what the gates and a softmax for each modality are worth.
    Source: Jaegle et al. 2021 (Perceiver, arXiv 2103.03206), section 3.1, with the scaled dot-product attention of
        Vaswani et al. 2017 (arXiv 1706.03762), equation 1.
    """

    def build(self, sizes: Sizes) -> None:
        inner = sizes.inner(sizes.width)
        self.latents = nn.Parameter(torch.randn(sizes.latents, inner) * 0.02)
        self.joint = JointTokens(self.names, sizes.width, inner)
        self.token_norm = nn.LayerNorm(inner)
        self.looks = nn.ModuleList(AttentionBlock(inner, sizes.heads) for _ in range(sizes.layers))
        self.mixes = nn.ModuleList(AttentionBlock(inner, sizes.heads) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(inner)
        self.readout = nn.Linear(sizes.latents * inner, sizes.state_dim)

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        tokens, mask = self.joint(groups)
        context = TokenGroup(self.token_norm(tokens), mask)
        latents, maps = self.latents.expand(mask.shape[0], -1, -1), {}  # b l i
        for look, mix in zip(self.looks, cast(Iterable[AttentionBlock], self.mixes), strict=True):
            looked = look(latents, context)
            latents = mix.among(TokenGroup.of(looked.found)).found
            maps = self.joint.maps(looked, groups)
        return Fused(self.readout(self.norm(latents).flatten(1)), availability(groups), maps)
