"""Instruction tokens to token groups: embeddings that know their place and their neighbours; no recurrence.

b batch, n tokens, d width
"""

import torch
from jaxtyping import Num
from torch import Tensor, nn
from torch.nn import functional

from ..kinds.instruction import Instruction
from ..tokens import TokenGroup


class InstructionEncoder(nn.Module):
    """An embedding of each token, its position, and a gated product with the token before it.

    "red ball" must differ from "red key, blue ball" although the words are the same: the product binds neighbours for
    the price of one multiplication a number. The first place always counts, so that an empty instruction is something
    heard ("nothing was said") and not an absent sense.
    """

    def __init__(self, kind: Instruction, width: int) -> None:
        super().__init__()
        self.highest = kind.vocab_size - 1
        self.embed = nn.Embedding(kind.vocab_size, width)
        self.position = nn.Parameter(torch.randn(kind.max_tokens, width) * 0.3)
        self.bind = nn.Parameter(torch.full((width,), 0.5))
        self.norm = nn.LayerNorm(width)

    def forward(self, ids: Num[Tensor, "b n"]) -> TokenGroup:
        """Encodes token ids; 0 is padding, ids beyond the vocabulary count as its last, and n may be less than all."""
        ids = ids.long().clamp(0, self.highest)
        words = self.embed(ids)  # b n d
        before = functional.pad(words, (0, 0, 1, 0))[:, :-1]
        tokens = self.norm(torch.addcmul(self.position[: ids.shape[1]], words, 1.0 + self.bind * before))
        mask = (ids != 0) | (torch.arange(ids.shape[1], device=ids.device) == 0)
        return TokenGroup(tokens, mask)
