"""Auxiliary losses: what the state embedding should also be good for, learned beside the policy.

A loss is a module with a name in `AUXILIARIES`, where yours is registered. It sees what the policy's heads see of a
minibatch, the state embedding and what the memory recalls, what the minibatch holds, and the tokens of every sense. Its
weights are learned, too. Every objective of perception/objectives/ is such a loss by its name.

n samples, e width of the features, k tokens
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ..perception.checks import require_number
from ..perception.config import PerceptionConfig
from ..perception.errors import ConfigError, SpecError
from ..perception.objectives import OBJECTIVES, Seen
from ..perception.spec import PRESENT, Instruction, Spec
from .choices import AUXILIARIES
from .extractor import PerceptionExtractor
from .second_look import Percept

Minibatch = Mapping[str, Any]
"""The fields of `minibatch.Samples`, n rows each, and "percept", the `Percept` of its observations."""


class AuxiliaryLoss(nn.Module):
    """Base of all auxiliary losses.

    Args:
        spec: the senses.
        width: of the features, e.
        missions: how many instructions the environment can give; 0 where nobody says.
    """

    def __init__(self, spec: Spec, width: int, missions: int = 0) -> None:
        super().__init__()

    def forward(self, features: Float[Tensor, "n e"], minibatch: Minibatch) -> Float[Tensor, " n"]:
        """The loss of each sample; 0 where it says nothing about one."""
        raise NotImplementedError


class InstructionWords(AuxiliaryLoss):
    """Which tokens the instruction holds, predicted from the features: it must not be forgotten on the way.

    Samples without an instruction count nothing. Padding is no token.

    Raises:
        SpecError: no sense is an instruction.
    """

    def __init__(self, spec: Spec, width: int, missions: int = 0) -> None:
        super().__init__(spec, width, missions)
        instructions = spec.of_kind(Instruction)
        if not instructions:
            raise SpecError(
                f'The auxiliary loss "instruction_words" needs an instruction among the senses; got {", ".join(spec)}.'
            )
        self._name, kind = next(iter(instructions.items()))
        self._place = spec.names.index(self._name)
        self.guess = nn.Linear(width, kind.vocab_size)
        nn.init.constant_(self.guess.bias, -4.0)  # few of all tokens occur

    def forward(self, features: Float[Tensor, "n e"], minibatch: Minibatch) -> Float[Tensor, " n"]:
        observations = minibatch["observations"]
        tokens = observations[self._name].long()  # n k
        holds = torch.zeros(len(tokens), self.guess.out_features, device=tokens.device).scatter_(1, tokens, 1.0)
        holds[:, 0] = 0.0
        loss = functional.binary_cross_entropy_with_logits(self.guess(features), holds, reduction="none").sum(dim=1)
        if PRESENT in observations:
            loss = torch.where(observations[PRESENT][:, self._place] > 0, loss, 0.0)
        return loss


class Mission(AuxiliaryLoss):
    """Which of its instructions the environment has given, predicted from the features; the simulator knows.

    An instruction that is spoken is understood and remembered much sooner when somebody says what it was. While it is
    being spoken only what is likely can be predicted, and the loss is no smaller than that.

    Raises:
        ConfigError: the environment does not number its instructions.
    """

    def __init__(self, spec: Spec, width: int, missions: int = 0) -> None:
        super().__init__(spec, width, missions)
        if missions < 2:
            raise ConfigError(
                'The auxiliary loss "mission" needs an environment that numbers its instructions, such as a level of '
                "Rooms in a batch; leave it out."
            )
        self.guess = nn.Linear(width, missions)

    def forward(self, features: Float[Tensor, "n e"], minibatch: Minibatch) -> Float[Tensor, " n"]:
        return functional.cross_entropy(self.guess(features), minibatch["missions"], reduction="none")


class ObjectiveLoss(AuxiliaryLoss):
    """An objective of perception/objectives/ beside a policy's losses, on the senses as the policy perceives them.

    It trains the perception below the policy, and what an objective opposes (the judges of `translation`) at once.
    Where threads share a minibatch, an objective that compares samples (`contrastive`, `dcca`) sees a part each:
    larger minibatches, or `workers=1`, give it more to compare. No senses are hidden: `autoencoder` reconstructs what
    the policy perceives.

    Args:
        spec: see `AuxiliaryLoss`.
        width: see `AuxiliaryLoss`.
        missions: see `AuxiliaryLoss`.
        name: in `OBJECTIVES`.
        extractor: the policy's; None takes the default sizes.
    """

    def __init__(
        self,
        spec: Spec,
        width: int,
        missions: int = 0,
        *,
        name: str,
        extractor: PerceptionExtractor | None = None,
    ) -> None:
        super().__init__(spec, width, missions)
        config = PerceptionConfig() if extractor is None else extractor.perception.config
        self.objective = OBJECTIVES[name](spec, config)
        self._restore: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict
        if extractor is not None:
            self.objective.attach(extractor.perception)
            self._restore = extractor.restore

    def forward(self, features: Float[Tensor, "n e"], minibatch: Minibatch) -> Float[Tensor, " n"]:
        percept = cast(Percept, minibatch["percept"])
        present = cast(Tensor, percept.present)
        tokens = {name: group.only_where(present[:, i]) for i, (name, group) in enumerate(percept.tokens.items())}
        seen = Seen(self._restore(minibatch["observations"]), percept.embedding, tokens, present)
        return self.objective(seen) + self.objective.opponent_loss(seen)


def make_auxiliary(
    weights: Mapping[str, float],
    spec: Spec | None,
    width: int,
    missions: int,
    extractor: PerceptionExtractor | None = None,
) -> nn.ModuleDict:
    """The auxiliary losses of a policy.

    Args:
        weights: name -> weight.
        spec: the policy's senses; None where its features extractor is none of ours.
        width: of what its heads see.
        missions: see `AuxiliaryLoss`.
        extractor: the policy's, whose perception the objectives are about.

    Raises:
        UnknownNameError: there is no such loss.
        ConfigError: a weight is negative, or a loss does not fit the policy or the environment.
        SpecError: a loss lacks the sense that it is about.
    """
    losses: dict[str, AuxiliaryLoss] = {}
    for name, weight in weights.items():
        kind = ObjectiveLoss if name in OBJECTIVES else AUXILIARIES[name]  # also an objective of the user's own
        require_number("weight", weight, at_least=0, of=f'"{name}"')
        if spec is None:
            raise ConfigError("Auxiliary losses need a policy with a PerceptionExtractor; leave `auxiliary` out.")
        about = {"name": name, "extractor": extractor} if name in OBJECTIVES else {}
        losses[name] = kind(spec, width, missions, **about)
    return nn.ModuleDict(losses)
