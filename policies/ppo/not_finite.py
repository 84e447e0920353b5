"""Senses that are absent without a word are found once a rollout: not finite, or never given at all.

t steps, b environments, n samples
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...perception.observation.absence import is_finite
from ...perception.observation.layout import Layout
from ...perception.spec import PRESENT

if TYPE_CHECKING:
    from stable_baselines3.common.logger import Logger

    from ...perception.perception import Perception

WORST, EACH = "senses/not_finite", "not_finite/"
"""Key of the logger for the sense with the largest share, and what the name of each sense stands behind."""

NEVER = "never_there/"
"""What the name of a sense stands behind that was absent in every sample of a rollout."""


def shares_not_finite(layout: Layout, observations: Mapping[str, Tensor]) -> dict[str, float]:
    """How often each sense was said to be there, while its numbers were not finite.

    Args:
        layout: of the senses; those that are no part of the observations are left out.
        observations: of a rollout, t b ..., as they came or packed.

    Returns:
        Sense -> share of the samples in which it was said to be there; only of those where it is above 0.
    """
    flat = {key: part.flatten(0, 1) for key, part in observations.items()}
    shares: dict[str, float] = {}
    for number, (name, sense) in enumerate(layout.senses.items()):
        way = next((way for way in sense.ways if all(key in flat for key in way.values())), {})
        parts = [flat[key] for key in way.values() if flat[key].is_floating_point()]
        # A sum tells in one pass whether anything has to be looked at row by row.
        if all(bool(part.sum().isfinite()) for part in parts):
            continue
        broken = ~torch.stack([is_finite(part) for part in parts]).all(dim=0)
        said = flat[PRESENT][:, number] > 0.5 if PRESENT in flat else torch.ones_like(broken)
        if bool((broken & said).any()):
            shares[name] = float((broken & said).sum() / said.sum())
    return shares


def never_there(layout: Layout, observations: Mapping[str, Tensor]) -> list[str]:
    """The senses that nobody said to be there in any sample of a rollout; see `shares_not_finite`.

    A picture that is not finite arrives so: an adapter has no bytes for it.
    """
    if PRESENT not in observations:
        return []
    said = (observations[PRESENT] > 0.5).flatten(0, 1).any(dim=0).tolist()
    return [name for name, was_there in zip(layout.senses, said, strict=True) if not was_there]


def log_not_finite(logger: "Logger", perception: "Perception | None", observations: Mapping[str, Tensor]) -> None:
    """Records the shares of a rollout and what was never there. Nothing where the perception is not ours to ask."""
    if perception is None:
        return
    shares = shares_not_finite(perception.layout, observations)
    logger.record(WORST, max(shares.values(), default=0.0))
    for name, share in shares.items():
        logger.record(EACH + name, share)
    for name in never_there(perception.layout, observations):
        logger.record(NEVER + name, 1.0)
