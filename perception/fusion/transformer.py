"""A multimodal transformer: every token of every modality attends to every other, beside tokens that become the state.

b batch, n tokens of all modalities, i inner width, l state tokens, s state width
"""

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from torch import nn

from ..tokens import TokenGroup
from .base import Fused, SizedFusion, Sizes, availability
from .parts.joint import JointTokens
from .parts.multi_head import AttentionBlock


class TransformerFusion(SizedFusion):
    """`layers` blocks of self-attention over all tokens, then one in which the state tokens alone read the result.

    Without that last block what the tokens learn from each other in the only layer of a small preset would be lost.
    Source: Vaswani et al. 2017 (arXiv 1706.03762), section 3.1; Kim et al. 2021 (ViLT, arXiv 2102.03334), section 3.1,
        for learned modality-type embeddings and a learned token that is read out.
    """

    def build(self, sizes: Sizes) -> None:
        inner = sizes.inner(sizes.width)
        self.state_tokens = nn.Parameter(torch.randn(sizes.latents, inner) * 0.02)
        self.joint = JointTokens(self.names, sizes.width, inner)
        self.blocks = nn.ModuleList(AttentionBlock(inner, sizes.heads) for _ in range(sizes.layers + 1))
        self.norm = nn.LayerNorm(inner)
        self.readout = nn.Linear(sizes.latents * inner, sizes.state_dim)

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        tokens, mask = self.joint(groups)
        states = self.state_tokens.to(tokens.dtype).expand(mask.shape[0], -1, -1)  # b l i
        always = torch.ones(states.shape[:2], dtype=torch.bool, device=mask.device)
        sequence = TokenGroup(torch.cat([states, tokens], dim=1), torch.cat([always, mask], dim=1))  # b (l+n) i
        *full, last = cast(Iterable[AttentionBlock], self.blocks)
        for block in full:
            sequence = sequence._replace(tokens=block.among(sequence).found)
        rows = states.shape[1]
        looked = last.among(sequence, rows)
        maps = self.joint.maps(looked._replace(key=looked.key[:, :, rows:]), groups)
        return Fused(self.readout(self.norm(looked.found).flatten(1)), availability(groups), maps)
