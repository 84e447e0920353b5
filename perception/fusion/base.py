"""What every fusion is: token groups in, one state out.

A fusion knows names and widths, nothing of cameras or sound. It must obey the absence contract: a group whose mask is
all False in a sample contributes exactly nothing to it there.

b batch, n tokens, d width, l latents, s state width
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..tokens import TokenGroup


class Fused(NamedTuple):
    """What a fusion returns."""

    embedding: Float[Tensor, "b s"]
    gates: dict[str, Float[Tensor, " b"]]
    """How far each modality was let in, 0..1; 0 where absent. Fusions without gates return 1 where present."""
    attention: dict[str, Float[Tensor, "b l n"]]
    """Attention weights over each modality's tokens, mean over heads, of the last layer; 0 where absent."""


class Fusion(nn.Module):
    """Base of all fusions; subclasses build in `__init__` and implement `forward`.

    Args:
        names: the modalities, in the spec's order.
        width: width of the tokens.
        latents: number of learned queries, where a fusion has any.
        layers: depth, where a fusion has any.
        heads: attention heads, where a fusion has any.
        state_dim: width of the state embedding.

    A fusion with `has_inner_width` also takes `fusion_width`, an int or None, which is passed where a configuration
    has one.
    """

    has_inner_width: ClassVar[bool] = False
    """Whether there is an inner width to choose, which decides how many parameters the fusion has."""

    def __init__(
        self, names: Sequence[str], *, width: int, latents: int, layers: int, heads: int, state_dim: int
    ) -> None:
        super().__init__()
        self.names = tuple(names)

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        """Fuses one group of tokens for each modality."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What a `SizedFusion` is built with; the fields are the arguments of `Fusion`."""

    width: int
    latents: int
    layers: int
    heads: int
    state_dim: int
    fusion_width: int | None = None

    def inner(self, own: int) -> int:
        """The inner width that was chosen, or the fusion's own."""
        return self.fusion_width or own


class SizedFusion(Fusion):
    """A fusion with an inner width to choose; subclasses implement `build` and `forward`."""

    has_inner_width = True

    def __init__(
        self,
        names: Sequence[str],
        *,
        width: int,
        latents: int,
        layers: int,
        heads: int,
        state_dim: int,
        fusion_width: int | None = None,
    ) -> None:
        super().__init__(names, width=width, latents=latents, layers=layers, heads=heads, state_dim=state_dim)
        self.build(Sizes(width, latents, layers, heads, state_dim, fusion_width))

    def build(self, sizes: Sizes) -> None:
        """Makes the parameters and sub-modules, once."""
        raise NotImplementedError


def availability(groups: Mapping[str, TokenGroup]) -> dict[str, Float[Tensor, " b"]]:
    """The gates of a fusion that has none: 1 where a modality is here, 0 where it is not."""
    return {name: group.available.to(group.tokens.dtype) for name, group in groups.items()}


def only_seen(fused: Fused, groups: Mapping[str, TokenGroup]) -> Fused:
    """What a fusion of filled groups tells, with gates and attention of what is really here alone."""
    gates = {name: torch.where(groups[name].available, gate, 0.0) for name, gate in fused.gates.items()}
    maps = {
        name: torch.where(group.available[:, None, None], fused.attention[name][..., : group.tokens.shape[1]], 0.0)
        for name, group in groups.items()
        if name in fused.attention
    }
    return fused._replace(gates=gates, attention=maps)
