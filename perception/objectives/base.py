"""What every objective is: a loss for each sample of what a perception saw, with heads of its own and no rewards.

An objective never sees what is absent: tokens come masked, readings with `held`, which says what is really there.

b batch, m modalities, s state width
"""

import functools
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..config import PerceptionConfig
from ..errors import SpecError
from ..observation.absence import is_finite
from ..observation.layout import content_keys
from ..spec import PRESENT, Spec
from ..tokens import TokenGroup

if TYPE_CHECKING:
    from ..perception import Perception, State


class Seen(NamedTuple):
    """A batch as a perception saw it, and as it really was."""

    observations: Mapping[str, Tensor]
    """Readings as the spec says, or digested, whole: also of the senses that were hidden from the perception."""
    embedding: Float[Tensor, "b s"]
    tokens: Mapping[str, TokenGroup]
    """By modality, masked where it was not seen."""
    present: Bool[Tensor, "b m"]
    """Which modalities were seen, in the spec's order."""

    @classmethod
    def of(cls, observations: Mapping[str, Tensor], state: "State") -> Self:
        """What a `State` with tokens tells; tokens that were imputed do not count as seen."""
        groups = (state.tokens or {}).items()
        tokens = {name: group.only_where(state.present[:, i]) for i, (name, group) in enumerate(groups)}
        return cls(observations, state.embedding, tokens, state.present)


class Objective(nn.Module):
    """Base of all objectives; subclasses build heads in `__init__` and implement `forward`.

    Args:
        spec: the senses.
        config: sizes of the perception.

    Raises:
        SpecError: the senses do not suffice for it.
    """

    hides_senses: ClassVar[bool] = False
    """Whether it learns from what was hidden: a trainer then hides some senses from the perception at random."""

    def __init__(self, spec: Spec, config: PerceptionConfig) -> None:
        super().__init__()

    def attach(self, perception: "Perception") -> None:
        """Lets it train what the perception itself has for it: an imputer, in `autoencoder` and `translation`."""

    def forward(self, seen: Seen) -> Float[Tensor, " b"]:
        """The loss of each sample; exactly 0, with no gradient, where it says nothing about one.

        Where samples are compared with each other (`contrastive`, `dcca`), those of this batch are.
        """
        raise NotImplementedError

    def opponents(self) -> list[nn.Parameter]:
        """The weights that work against `forward`, which leaves them alone; none by default."""
        return []

    def opponent_loss(self, seen: Seen) -> Float[Tensor, " b"]:
        """What the opponents minimise; nothing else gets a gradient of it."""
        return torch.zeros_like(seen.embedding[:, 0])


def require_two_senses(objective: str, spec: Spec) -> None:
    """Checks that there are at least two senses.

    Raises:
        SpecError: there is only one.
    """
    if len(spec) < 2:
        raise SpecError(
            f'The objective "{objective}" relates senses to each other and needs two; got {", ".join(spec)} alone. '
            'Add a sense, or take "autoencoder".'
        )


def held(spec: Spec, observations: Mapping[str, Tensor]) -> Bool[Tensor, "b m"]:
    """Which modalities an observation really holds: said to be present, in the dict, and finite."""
    first = next(iter(observations.values()))
    said = observations.get(PRESENT)
    said = torch.ones(len(first), len(spec), device=first.device) if said is None else said
    columns = []
    for i, keys in enumerate(content_keys(spec, observations).values()):
        here = said[:, i] > 0.5 if keys else torch.zeros(len(said), dtype=torch.bool, device=said.device)
        columns.append(functools.reduce(operator.and_, (is_finite(observations[key]) for key in keys), here))
    return torch.stack(columns, dim=1)
