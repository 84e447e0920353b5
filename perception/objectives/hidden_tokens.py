"""Guessing the tokens of hidden senses from the others: how imputers learn, whichever objective trains them.

Which senses a sample does without, and the noise beside it, are rows of fixed tables, by the sample's place in the
batch. Batches come shuffled, so both are as good as drawn; and threads that share a batch need no common generator.

b batch, m modalities, n tokens, d width, z noise
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from ..tokens import TokenGroup
from .imputation import NOISE, Generated

ROWS = 4096


class Hiding(nn.Module):
    """Takes senses away from samples, about half of them.

    Args:
        senses: how many there are.
    """

    hidden: Tensor
    noise: Tensor

    def __init__(self, senses: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("hidden", torch.rand(ROWS, senses, generator=generator) < 0.5, persistent=False)
        self.register_buffer("noise", torch.randn(ROWS, NOISE, generator=generator), persistent=False)

    def forward(self, present: Bool[Tensor, "b m"]) -> tuple[Bool[Tensor, "b m"], Bool[Tensor, "b m"]]:
        """Which senses stay, and which are to be guessed; none are where no sense would stay."""
        hidden = self.hidden[torch.arange(len(present), device=present.device) % ROWS]
        stays = present & ~hidden
        return stays, present & hidden & stays.any(dim=1, keepdim=True)

    def noise_for(self, count: int) -> Float[Tensor, "b z"]:
        """Noise for a batch, standard normal."""
        return self.noise[torch.arange(count, device=self.noise.device) % ROWS]


def only_those(tokens: Mapping[str, TokenGroup], stays: Bool[Tensor, "b m"]) -> dict[str, TokenGroup]:
    """The groups, masked where a sense does not stay."""
    return {name: group.only_where(stays[:, i]) for i, (name, group) in enumerate(tokens.items())}


def guess_loss(
    made: Mapping[str, Generated], tokens: Mapping[str, TokenGroup], wanted: Bool[Tensor, "b m"]
) -> Float[Tensor, " b"]:
    """How far the guesses are from the tokens: mean squared error, and cross-entropy of which of them count.

    Tokens are the goal and get no gradient: they would else become what is easy to guess.

    Args:
        made: guesses, of whole groups.
        tokens: the real ones, perhaps of fewer tokens (instructions without their padding).
        wanted: which senses of a sample are to be guessed.

    Returns:
        The sum over the wanted senses, divided by the number of all senses.
    """
    losses = []
    for i, (name, group) in enumerate(tokens.items()):
        n = group.tokens.shape[1]
        guess, counts = made[name]
        real = group.tokens.detach().float()
        weights = group.mask / group.mask.sum(dim=1, keepdim=True).clamp(min=1)  # b n
        squares = (guess[:, :n].float() - real).square().mean(dim=-1)
        goal = functional.pad(group.mask, (0, counts.shape[1] - n)).float()
        which = functional.binary_cross_entropy_with_logits(counts.float(), goal, reduction="none").mean(dim=1)
        losses.append(torch.where(wanted[:, i], (weights * squares).sum(dim=1) + which, 0.0))
    return torch.stack(losses).mean(dim=0)
