"""What every fusion is: token groups in, one state out.

A fusion knows names and widths, nothing of cameras or sound. It must obey the absence contract: a group whose mask is
all False in a sample contributes exactly nothing to it there.

b batch, n tokens, d width, l latents, s state width
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

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
    """

    def __init__(
        self, names: Sequence[str], *, width: int, latents: int, layers: int, heads: int, state_dim: int
    ) -> None:
        super().__init__()
        self.names = tuple(names)

    def forward(self, groups: Mapping[str, TokenGroup]) -> Fused:
        """Fuses one group of tokens for each modality."""
        raise NotImplementedError


def availability(groups: Mapping[str, TokenGroup]) -> dict[str, Float[Tensor, " b"]]:
    """The gates of a fusion that has none: 1 where a modality is here, 0 where it is not."""
    return {name: group.available.to(group.tokens.dtype) for name, group in groups.items()}
