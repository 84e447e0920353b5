"""Deep canonical correlation analysis: every sense's vector through a small network, so that pairs correlate.

b batch, k dims
"""

import itertools
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..config import PerceptionConfig
from ..fusion.parts.pool import AttentionPool
from ..modules import NamedModules
from ..spec import Spec
from .base import Objective, Seen, require_two_senses

DIMS = 16
RIDGE = 1e-3


class DeepCCA(Objective):
    """Minus the mean canonical correlation of every pair of senses, in -1..0.

    Only samples in which both senses are present count; all of these have the same loss, that of the batch. Where a
    minibatch is divided among threads, each correlates its own part; many more samples than `DIMS` make it mean much.

    Source: Andrew et al. 2013 (Deep canonical correlation analysis, ICML), equations 10 to 13.
    """

    def __init__(self, spec: Spec, config: PerceptionConfig) -> None:
        super().__init__(spec, config)
        require_two_senses("dcca", spec)
        width = config.width
        self.pools = NamedModules({name: AttentionPool(width, 2 * config.latents) for name in spec})
        self.networks = NamedModules(
            {name: nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, DIMS)) for name in spec}
        )

    def forward(self, seen: Seen) -> Float[Tensor, " b"]:
        vectors = self.vectors(seen)
        losses = []
        for (i, one), (j, other) in itertools.combinations(enumerate(vectors), 2):
            counts = seen.present[:, i] & seen.present[:, j]
            loss = -total_correlation(vectors[one], vectors[other], counts) / DIMS
            losses.append(torch.where(counts, loss.to(seen.embedding.dtype), 0.0))
        return torch.stack(losses).mean(dim=0)

    def vectors(self, seen: Seen) -> dict[str, Float[Tensor, "b k"]]:
        """A vector for each sense, whose directions correlate with those of the others."""
        return {name: self.networks[name](pool(seen.tokens[name])[0]) for name, pool in self.pools.items()}


def total_correlation(
    one: Float[Tensor, "b k"], other: Float[Tensor, "b k"], counts: Bool[Tensor, " b"], ridge: float = RIDGE
) -> Float[Tensor, ""]:
    """The sum of the canonical correlations of two views, in float64; 0 where fewer than two samples count.

    The inverse roots of covariances are taken by Cholesky factors: T = L1^-1 S12 L2^-T has the singular values of
    S11^-1/2 S12 S22^-1/2, and no gradient of an eigendecomposition, which repeated eigenvalues make infinite.

    Args:
        one: a view.
        other: the other view.
        counts: which samples there are.
        ridge: is added to the variances; what makes it finite for fewer samples than dims.
    """
    number = counts.sum().double()
    with torch.autocast(one.device.type, enabled=False):
        one, other = (_centred(view.double(), counts, number) for view in (one, other))
        divisor = (number - 1.0).clamp(min=1.0)
        edge = ridge * torch.eye(one.shape[1], dtype=one.dtype, device=one.device)
        first = torch.linalg.cholesky(one.T @ one / divisor + edge)
        second = torch.linalg.cholesky(other.T @ other / divisor + edge)
        shared = torch.linalg.solve_triangular(first, one.T @ other / divisor, upper=False)  # L1^-1 S12
        shared = torch.linalg.solve_triangular(second, shared.T, upper=False)  # its singular values are those of T
        return NuclearNorm.apply(shared)


def _centred(view: Float[Tensor, "b k"], counts: Bool[Tensor, " b"], number: Tensor) -> Float[Tensor, "b k"]:
    view = torch.where(counts[:, None], view, 0.0)
    mean = view.sum(dim=0) / number.clamp(min=1.0)
    return torch.where(counts[:, None], view - mean, 0.0)


class NuclearNorm(torch.autograd.Function):
    """The sum of a matrix's singular values, whose gradient U V^T needs no gaps between them.

    Directions with singular value 0 have the gradient 0, which is one of its subgradients there.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Float[Tensor, "k l"]) -> Float[Tensor, ""]:
        """Adds the singular values up."""
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        is_there = values > values.max() * max(matrix.shape) * torch.finfo(values.dtype).eps
        ctx.save_for_backward((left * is_there) @ right)
        return values.sum()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Scales U V^T."""
        (direction,) = ctx.saved_tensors
        return gradient * direction
