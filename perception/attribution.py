"""Integrated gradients: how much each token of each sense moved one number, an action's log-probability, say.

Pure torch over token groups, so it needs no encoder and no policy: the caller gives a function of the tokens. What is
attributed to all tokens together is the function's value minus its value at the baseline (completeness).

b batch, n tokens, d width
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .errors import ConfigError
from .tokens import TokenGroup

POINTS = 32
MAX_POINTS = 512
"""Places on the way from the baseline to the tokens: Gauss-Legendre weights need few where the function is smooth, and
there are twice as many again, up to `MAX_POINTS`, until completeness holds."""

TOLERANCE = 0.01
"""By how much completeness may be missed before more places are taken, in the function's unit."""

Groups = Mapping[str, TokenGroup]


class Attribution(NamedTuple):
    """What each token contributed."""

    tokens: dict[str, Float[Tensor, "b n"]]
    """By modality, signed: above 0 it raised the value. Exactly 0 for tokens that do not count."""
    value: Float[Tensor, " b"]
    """The function at the tokens."""
    baseline: Float[Tensor, " b"]
    """The function at the baseline."""

    @property
    def signed(self) -> dict[str, Float[Tensor, " b"]]:
        """The sum over each modality's tokens."""
        return {name: part.sum(dim=1) for name, part in self.tokens.items()}

    @property
    def absolute(self) -> dict[str, Float[Tensor, " b"]]:
        """The sum of absolute values over each modality's tokens."""
        return {name: part.abs().sum(dim=1) for name, part in self.tokens.items()}

    @property
    def gap(self) -> Float[Tensor, " b"]:
        """By how much completeness is missed: value - baseline - everything attributed."""
        total = torch.stack(list(self.signed.values())).sum(dim=0)
        return self.value - self.baseline - total


def usual_tokens(groups: Groups) -> dict[str, Float[Tensor, "n d"]]:
    """The mean token at each place over the samples in which it counts, 0 where it never does.

    As a baseline it asks what makes this sample differ from the usual one, so that places, and what always looks the
    same, are attributed little.
    """
    usual = {}
    for name, (tokens, mask) in groups.items():
        weights = mask.to(tokens.dtype)[..., None]  # b n 1
        usual[name] = (tokens * weights).sum(dim=0) / weights.sum(dim=0).clamp(min=1.0)
    return usual


def integrated_gradients(
    function: Callable[[dict[str, TokenGroup]], Float[Tensor, " b"]],
    groups: Groups,
    baselines: Mapping[str, Float[Tensor, "n d"]] | None = None,
    *,
    points: int = POINTS,
    most_points: int = MAX_POINTS,
    tolerance: float = TOLERANCE,
) -> Attribution:
    """Attributes the value of a function of tokens to each of them.

    All modalities move together on the straight way from the baseline to the tokens; masks stay as they are.

    Args:
        function: of token groups; each row's value may depend on that row alone.
        groups: the tokens, by modality.
        baselines: by modality, where the way begins; zeros unless given. `usual_tokens` gives good ones.
        points: places on the way at first, at least 1.
        most_points: places that are not exceeded, where the function is too rough to meet the tolerance.
        tolerance: the largest gap in completeness to accept in any row before taking more places.

    Returns:
        The attributions, detached; `gap` says how exact they are.

    Raises:
        ConfigError: no modality, or `points` is below 1.

    Source: Sundararajan, Taly and Yan 2017 (arXiv 1703.01365), equations 1 to 3, with Gauss-Legendre places and weights
        instead of the even ones of equation 3.
    """
    if not groups or points < 1:
        raise ConfigError(f"Integrated gradients need a modality and at least 1 point; got {list(groups)}, {points}.")
    ends = {name: group.tokens.detach() for name, group in groups.items()}
    begins = {
        name: torch.zeros_like(end) if baselines is None else baselines[name].to(end).expand_as(end).detach()
        for name, end in ends.items()
    }

    def value_at(share: float, *, with_gradient: bool = False) -> tuple[Tensor, list[Tensor]]:
        tokens = {
            name: torch.lerp(begins[name], end, share).requires_grad_(with_gradient) for name, end in ends.items()
        }
        with torch.set_grad_enabled(with_gradient):
            value = function({name: TokenGroup(part, groups[name].mask) for name, part in tokens.items()})
        if not with_gradient:
            return value.detach(), []
        found = torch.autograd.grad(value.sum(), list(tokens.values()), allow_unused=True)
        return value.detach(), [
            torch.zeros_like(end) if part is None else part for part, end in zip(found, ends.values(), strict=True)
        ]

    value, baseline = value_at(1.0)[0], value_at(0.0)[0]
    while True:
        gradients = [torch.zeros_like(end) for end in ends.values()]
        places, weights = np.polynomial.legendre.leggauss(points)
        for place, weight in zip(places.tolist(), weights.tolist(), strict=True):
            _, found = value_at((place + 1.0) / 2.0, with_gradient=True)
            for total, part in zip(gradients, found, strict=True):
                total.add_(part, alpha=weight / 2.0)
        tokens = {
            name: torch.where(groups[name].mask, ((ends[name] - begins[name]) * gradient).sum(dim=-1), 0.0)
            for name, gradient in zip(ends, gradients, strict=True)
        }
        attribution = Attribution(tokens, value, baseline)
        points *= 2
        if points > most_points or bool((attribution.gap.abs() <= tolerance).all()):
            return attribution
