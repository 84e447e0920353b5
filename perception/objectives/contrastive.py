"""Contrastive alignment: what was sensed at one moment belongs together, and apart from all other moments.

b batch, d width
"""

import itertools
import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from ..config import PerceptionConfig
from ..fusion.parts.pool import AttentionPool
from ..modules import NamedModules
from ..spec import Spec
from .base import Objective, Seen, require_two_senses

FIRST_TEMPERATURE = 0.07
MAX_SCALE = 100.0


class Contrastive(Objective):
    """Symmetric InfoNCE for every pair of senses, with one learned temperature.

    A sample counts in a pair where both senses are present; otherwise it is neither a row nor a column. The loss of a
    sample is the mean over all pairs of senses, in which a pair that it lacks counts 0. It compares the samples of
    one batch: where a minibatch is divided among threads, each compares its own part.

    Source: Radford et al. 2021 (CLIP, arXiv 2103.00020), figure 3; van den Oord et al. 2018 (CPC, arXiv 1807.03748),
        equation 4.
    """

    def __init__(self, spec: Spec, config: PerceptionConfig) -> None:
        super().__init__(spec, config)
        require_two_senses("contrastive", spec)
        self.pools = NamedModules({name: AttentionPool(config.width, 2 * config.latents) for name in spec})
        self.projections = NamedModules({name: nn.Linear(config.width, config.width) for name in spec})
        self.log_scale = nn.Parameter(torch.tensor(-math.log(FIRST_TEMPERATURE)))

    @property
    def scale(self) -> Float[Tensor, ""]:
        """1 / temperature, in 1..100; beyond these limits the gradient passes, so that it can come back."""
        clamped = self.log_scale.clamp(0.0, math.log(MAX_SCALE))
        return (self.log_scale + (clamped - self.log_scale).detach()).exp()

    def forward(self, seen: Seen) -> Float[Tensor, " b"]:
        vectors = self.vectors(seen)
        pairs = list(itertools.combinations(enumerate(vectors), 2))
        losses = [
            info_nce(vectors[one], vectors[other], seen.present[:, i] & seen.present[:, j], self.scale)
            for (i, one), (j, other) in pairs
        ]
        return torch.stack(losses).mean(dim=0)

    def vectors(self, seen: Seen) -> dict[str, Float[Tensor, "b d"]]:
        """A vector of length 1 for each sense, the same where two senses mean the same."""
        return {
            name: functional.normalize(self.projections[name](pool(seen.tokens[name])[0]).float(), dim=-1, eps=1e-6)
            for name, pool in self.pools.items()
        }


def info_nce(
    one: Float[Tensor, "b d"], other: Float[Tensor, "b d"], counts: Bool[Tensor, " b"], scale: Float[Tensor, ""]
) -> Float[Tensor, " b"]:
    """The loss of each sample of a pair: mean cross-entropy of finding its partner, in both directions.

    Args:
        one: vectors of length 1.
        other: their partners, in the same order.
        counts: which samples there are; the others are in no row and in no column.
        scale: 1 / temperature.

    Returns:
        0 for samples that do not count, and where fewer than two do.
    """
    one = torch.where(counts[:, None], one, 0.0)
    other = torch.where(counts[:, None], other, 0.0)
    logits = scale * one @ other.T
    bias = torch.where(counts | ~counts.any(), 0.0, -math.inf)  # without any, all stay: the softmax needs one
    forth = (logits + bias).logsumexp(dim=1)
    back = (logits + bias[:, None]).logsumexp(dim=0)
    return torch.where(counts, (forth + back) / 2.0 - logits.diagonal(), 0.0)
