"""Auxiliary losses: what the state embedding shall also be good for, learned beside the policy.

A loss is a module with a name in `AUXILIARIES`; put your own there. It sees the embedding of a minibatch and what the
minibatch holds, and its weights are learned with the policy's.

n samples, e width of the embedding, k tokens
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ..perception.errors import SpecError
from ..perception.spec import PRESENT, Instruction, Spec

Minibatch = Mapping[str, Any]
"""observations (a dict of tensors, packed), actions, returns, advantages: n rows each."""


class AuxiliaryLoss(nn.Module):
    """Base of all auxiliary losses.

    Args:
        spec: the senses.
        width: of the embedding, e.
    """

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()

    def forward(self, embedding: Float[Tensor, "n e"], minibatch: Minibatch) -> Float[Tensor, " n"]:
        """The loss of each sample; 0 where it says nothing about one."""
        raise NotImplementedError


class InstructionWords(AuxiliaryLoss):
    """Which tokens the instruction holds, told from the embedding: it must not be forgotten on the way.

    Samples without an instruction count nothing. Padding is no token.

    Raises:
        SpecError: no sense is an instruction.
    """

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__(spec, width)
        names = [name for name, kind in spec.items() if isinstance(kind, Instruction)]
        if not names:
            raise SpecError(
                f'The auxiliary loss "instruction_words" needs an instruction among the senses; got {", ".join(spec)}.'
            )
        self._name, self._place = names[0], spec.names.index(names[0])
        kind = spec[names[0]]
        self.guess = nn.Linear(width, kind.vocab_size if isinstance(kind, Instruction) else 0)
        nn.init.constant_(self.guess.bias, -4.0)  # few of all tokens occur

    def forward(self, embedding: Float[Tensor, "n e"], minibatch: Minibatch) -> Float[Tensor, " n"]:
        observations = minibatch["observations"]
        tokens = observations[self._name].long()  # n k
        holds = torch.zeros(len(tokens), self.guess.out_features, device=tokens.device).scatter_(1, tokens, 1.0)
        holds[:, 0] = 0.0
        loss = functional.binary_cross_entropy_with_logits(self.guess(embedding), holds, reduction="none").sum(dim=1)
        if PRESENT in observations:
            loss = torch.where(observations[PRESENT][:, self._place] > 0, loss, 0.0)
        return loss


AUXILIARIES: dict[str, Callable[[Spec, int], AuxiliaryLoss]] = {"instruction_words": InstructionWords}
"""What `auxiliary=` chooses from."""
