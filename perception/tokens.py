"""What encoders hand to fusions: a group of tokens of one modality, and which of them count.

b batch, n tokens, d width
"""

from typing import NamedTuple, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class TokenGroup(NamedTuple):
    """The tokens of one modality. A row whose mask is all False is a sample in which the modality is absent."""

    tokens: Float[Tensor, "b n d"]
    mask: Bool[Tensor, "b n"]

    @property
    def available(self) -> Bool[Tensor, " b"]:
        """Whether the modality is here at all, per sample."""
        return self.mask.any(dim=1)

    def only_where(self, present: Bool[Tensor, " b"]) -> Self:
        """The same group, with every token masked in the samples where `present` is False."""
        return self._replace(mask=self.mask & present[:, None])

    @classmethod
    def of(cls, tokens: Float[Tensor, "b n d"]) -> Self:
        """A group in which every token counts."""
        return cls(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device))
