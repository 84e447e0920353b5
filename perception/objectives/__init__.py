"""Objectives by name: what a perception can learn without rewards. A new one is a file beside these and a line here."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..checks import require_number
from ..errors import ConfigError
from ..registry import Registry, lazy_names

if TYPE_CHECKING:
    from ..perception import Perception
    from .autoencoder import Autoencoder as Autoencoder
    from .base import Objective as Objective
    from .base import Seen as Seen
    from .cca import linear_cca as linear_cca
    from .contrastive import Contrastive as Contrastive
    from .dcca import DeepCCA as DeepCCA
    from .translation import Translation as Translation

OBJECTIVES: "Registry[type[Objective]]" = Registry(
    "objective",
    {
        "autoencoder": ".autoencoder:Autoencoder",
        "contrastive": ".contrastive:Contrastive",
        "dcca": ".dcca:DeepCCA",
        "translation": ".translation:Translation",
    },
    __package__,
)
"""What `--objective`, `pretrain_on` and, as losses beside a policy's, `--auxiliary` choose from."""

_HOMES = {
    "autoencoder": ("Autoencoder",),
    "base": ("Objective", "Seen"),
    "cca": ("linear_cca",),
    "contrastive": ("Contrastive",),
    "dcca": ("DeepCCA",),
    "translation": ("Translation",),
}
__getattr__, __dir__, _names = lazy_names(__name__, _HOMES)
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


def make_objectives(weights: Mapping[str, float], perception: "Perception") -> "dict[str, Objective]":
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
        OBJECTIVES.require(name)
        require_number("weight", weight, above=0, of=f'the objective "{name}"')
        made[name] = OBJECTIVES[name](perception.spec, perception.config)
        made[name].attach(perception)
        made[name].to(perception.device)
    return made
