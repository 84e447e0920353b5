"""Early fusion: the tokens of all modalities become one sequence before anything else happens to them.

b batch, n tokens of all modalities, i inner width, s state width
"""

from collections.abc import Mapping

from torch import nn

from ..tokens import TokenGroup
from .base import Fused, SizedFusion, Sizes, availability
from .parts.joint import JointTokens
from .parts.multi_head import feed_forward
from .parts.pool import AttentionPool


class EarlyFusion(SizedFusion):
    """One sequence, one network: shared layers for every token, one attention pool over all of them, one readout.

    No part but the mark of its origin belongs to a modality alone; tokens of all modalities compete in one softmax.
    Source: Snoek et al. 2005 (Early versus late fusion in semantic video analysis, ACM Multimedia), definition 1.
    """

    def build(self, sizes: Sizes) -> None:
        inner, hidden = sizes.inner(sizes.width), sizes.inner(2 * sizes.state_dim)
        self.joint = JointTokens(self.names, sizes.width, inner)
        self.shared = nn.ModuleList(feed_forward(inner) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(inner)
        self.pool = AttentionPool(inner, 2 * sizes.latents)
        self.readout = nn.Sequential(nn.Linear(inner, hidden), nn.GELU(), nn.Linear(hidden, sizes.state_dim))

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        tokens, mask = self.joint(groups)
        for layer in self.shared:
            tokens = tokens + layer(tokens)
        tokens = self.norm(tokens)  # b n i
        vector, _ = self.pool(TokenGroup(tokens, mask))
        maps = self.joint.apart(self.pool.scores(tokens)[:, None], groups)
        return Fused(self.readout(vector), availability(groups), maps)
