"""Work done ahead for observations that are perceived several times, by the encoders that know how.

What comes out is an observation again, with the parts of stand-ins in the place of readings. Nothing here knows a kind.

b batch, m modalities
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from ..modules import NamedModules
from ..observation.absence import is_finite
from ..observation.layout import Layout, StandIn
from ..spec import PRESENT, key_of
from .base import Encoder, works_ahead


def stand_ins(encoders: NamedModules) -> dict[str, Sequence[StandIn]]:
    """What may stand in the place of each sense's readings; senses without any are left out."""
    return {name: encoder.stand_ins() for name, encoder in _those_that_can(encoders)}


def can_digest(encoders: NamedModules) -> bool:
    """Whether any encoder digests its readings."""
    return any(encoder.digests for _, encoder in _those_that_can(encoders))


@torch.no_grad()
def digest(encoders: NamedModules, layout: Layout, obs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """See `Perception.digest`."""
    digested = dict(obs)
    for name, encoder in _those_that_can(encoders):
        if not encoder.digests or name not in obs or any(key in obs for key in layout.senses[name].beside.values()):
            continue
        readings = digested.pop(name)
        finite = is_finite(readings)
        for part, content in encoder.digest(readings).items():
            row = finite.view(-1, *[1] * (content.ndim - 1))
            digested[key_of(name, part)] = torch.where(row, content, torch.nan)  # what is rejected stays so
    return digested


@torch.no_grad()
def condense(encoders: NamedModules, obs: Mapping[str, Tensor], samples: int) -> dict[str, Tensor]:
    """See `Perception.condense`."""
    condensed = dict(obs)
    places = {name: i for i, (name, _) in enumerate(encoders.items())}
    for name, encoder in _those_that_can(encoders):
        if name not in obs:
            continue
        here = obs[PRESENT][:, places[name]] > 0.5 if PRESENT in obs else None
        parts = encoder.condense(obs[name], here, samples)
        if parts is not None:
            del condensed[name]
            condensed |= {key_of(name, part): content for part, content in parts.items()}
    return condensed


def _those_that_can(encoders: NamedModules) -> Iterator[tuple[str, Encoder]]:
    return ((name, encoder) for name, encoder in encoders.items() if works_ahead(encoder))
