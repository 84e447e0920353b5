"""Objectives by name: what a perception can learn without rewards. A new one is a file beside these and a line here."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import ConfigError, unknown_name
from .autoencoder import Autoencoder
from .base import Objective, Seen
from .cca import linear_cca
from .contrastive import Contrastive
from .dcca import DeepCCA
from .translation import Translation

if TYPE_CHECKING:
    from ..perception import Perception

OBJECTIVES: dict[str, type[Objective]] = {
    "autoencoder": Autoencoder,
    "contrastive": Contrastive,
    "dcca": DeepCCA,
    "translation": Translation,
}
"""Name -> class: what `--objective`, `pretrain_on` and, as losses beside a policy's, `--auxiliary` choose from."""

__all__ = [
    "OBJECTIVES",
    "Autoencoder",
    "Contrastive",
    "DeepCCA",
    "Objective",
    "Seen",
    "Translation",
    "linear_cca",
    "make_objectives",
]


def make_objectives(weights: Mapping[str, float], perception: "Perception") -> dict[str, Objective]:
    """The objectives for a perception, on its device.

    Args:
        weights: name in `OBJECTIVES` -> weight in the sum.
        perception: what they shall train.

    Raises:
        UnknownNameError: there is no such objective.
        ConfigError: none is given, or a weight is not above 0.
        SpecError: the senses do not suffice for one of them.
    """
    if not weights:
        raise ConfigError(f"At least one objective is needed; choose from: {', '.join(sorted(OBJECTIVES))}.")
    made = {}
    for name, weight in weights.items():
        if name not in OBJECTIVES:
            raise unknown_name("The objective", name, OBJECTIVES)
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < math.inf:
            raise ConfigError(f'The weight of the objective "{name}" must be above 0; got {weight!r}.')
        made[name] = OBJECTIVES[name](perception.spec, perception.config)
        made[name].attach(perception)
        made[name].to(perception.device)
    return made
