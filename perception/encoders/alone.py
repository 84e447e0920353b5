"""`SenseEncoders`: readings of all senses to tokens, and nothing behind them. What a `Perception` begins with.

For policies that fuse in their own way: a transformer over the tokens, say. What is absent leaves no trace, as in the
perception; its tokens are masked, and must be by whoever goes on with them.

b batch, m modalities, n tokens, d width
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from ..modules import NamedModules
from ..observation.absence import clean
from ..observation.brightness import BrightnessLooker
from ..observation.layout import Layout
from ..spec import Spec
from ..tokens import TokenGroup
from . import ahead
from .base import Way, way_to_encode


class Encoded(NamedTuple):
    """The tokens of all senses, and which of them are here."""

    groups: dict[str, TokenGroup]
    """By modality, in the spec's order; masked where one is absent."""
    present: Bool[Tensor, "b m"]
    non_finite: Bool[Tensor, "b m"]


class SenseEncoders(nn.Module):
    """The encoders of some senses; `Perception.encoders_alone` gives those of a trained one.

    Args:
        spec: the senses.
        encoders: one for each, by name.
    """

    def __init__(self, spec: Spec, encoders: NamedModules[nn.Module]) -> None:
        super().__init__()
        self.spec = spec
        self.encoders = encoders
        self.layout = Layout(spec, ahead.stand_ins(encoders))
        self._looker = BrightnessLooker(spec)
        self._ways = {name: way_to_encode(encoder, spec[name]) for name, encoder in encoders.items()}

    def forward(self, obs: Mapping[str, Tensor]) -> dict[str, TokenGroup]:
        """Tokens (b, n, d) and masks (b, n) by modality; a row whose mask is all False is one where it is absent.

        Args:
            obs: as `Perception.prepare` makes it.

        Raises:
            ObservationError: see `Perception.forward`.
        """
        return encode(self.encoders, self._ways, self.layout, self._looker, obs).groups


def encode(
    encoders: NamedModules[nn.Module],
    ways: Mapping[str, Way],
    layout: Layout,
    looker: BrightnessLooker,
    obs: Mapping[str, Tensor],
) -> Encoded:
    """Cleans an observation and encodes every sense of it; the first half of `Perception.forward`."""
    parts, present, non_finite = clean(layout, obs)
    if not torch.compiler.is_compiling() and looker.is_curious:
        looker.look(obs)
    groups = {
        name: ways[name](encoder, parts[name]).only_where(present[:, i])
        for i, (name, encoder) in enumerate(encoders.items())
    }
    return Encoded(groups, present, non_finite)
