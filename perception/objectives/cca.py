"""Linear canonical correlation analysis in closed form: which directions of two views agree, and how well.

It learns nothing by gradients: it is what `dcca` generalises, and what tells how much two views share.

n samples, p and q columns, k dims
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..checks import require_number, require_whole
from ..errors import ObservationError


class CanonicalCorrelations(NamedTuple):
    """What `linear_cca` finds, in float64, the largest correlation first."""

    correlations: Float[Tensor, " k"]
    x_projection: Float[Tensor, "p k"]
    """Column i makes, of centred x, the variate that correlates by `correlations[i]` with that of y."""
    y_projection: Float[Tensor, "q k"]


def linear_cca(
    x: Float[Tensor, "n p"], y: Float[Tensor, "m q"], dims: int, shrinkage: float = 0.0
) -> CanonicalCorrelations:
    """Finds the pairs of directions whose variates correlate most, each uncorrelated with the ones before.

    Constant and repeated columns are no harm: directions without variance are left out, and where fewer than `dims`
    remain, the others have correlation 0 and projection 0. With at most as many samples as columns, correlations
    without shrinkage are 1 and mean nothing.

    Args:
        x: one view.
        y: the other view of the same samples.
        dims: how many pairs.
        shrinkage: 0..1; covariances within a view become (1 - shrinkage) S + shrinkage * trace(S) / p * I, and those
            between the views (1 - shrinkage) S.

    Raises:
        ConfigError: `dims` is below 1, or `shrinkage` outside of 0..1.
        ObservationError: the views do not have the same number of samples, at least two, all finite.

    Source: Hotelling 1936; computed as in Bjorck and Golub 1973, equation 3, with the shrinkage target of Ledoit and
        Wolf 2004.
    """
    require_whole("dims", dims, 1)
    require_number("shrinkage", shrinkage, at_least=0, at_most=1)
    if len(x) != len(y) or len(x) < 2:
        raise ObservationError(f"Both views must have the same samples, two at least; got {len(x)} and {len(y)}.")
    if not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise ObservationError("Both views must be finite; leave out the samples that are not.")
    x, y = (view.double() - view.double().mean(dim=0) for view in (x, y))
    x_whitening, y_whitening = _whitening(x, shrinkage), _whitening(y, shrinkage)
    # the covariance between the views shrinks too, or correlations could exceed 1
    shared = x_whitening.T @ ((1.0 - shrinkage) * x.T @ y / (len(x) - 1)) @ y_whitening
    left, correlations, right = torch.linalg.svd(shared, full_matrices=False)
    k = min(dims, len(correlations))
    whole = x.new_zeros(dims), x.new_zeros(x.shape[1], dims), x.new_zeros(y.shape[1], dims)
    whole[0][:k] = correlations[:k].clamp(max=1.0)
    whole[1][:, :k] = x_whitening @ left[:, :k]
    whole[2][:, :k] = y_whitening @ right.T[:, :k]
    return CanonicalCorrelations(*whole)


def _whitening(centred: Float[Tensor, "n p"], shrinkage: float) -> Float[Tensor, "p r"]:
    """Maps to the r directions that vary, each with variance 1 by the shrunk covariance."""
    _, values, directions = torch.linalg.svd(centred, full_matrices=False)
    # columns of other units count as well: a direction is empty only against the rounding of the largest
    varies = values > values.max() * max(centred.shape) * torch.finfo(values.dtype).eps
    variances = values[varies].square() / (len(centred) - 1)
    target = variances.sum() / centred.shape[1]
    return directions[varies].T / ((1.0 - shrinkage) * variances + shrinkage * target).sqrt()
