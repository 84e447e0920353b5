"""The networks as one function of arrays: what stands between the inputs and the outputs of an exported file.

Inputs have names; the functions take them in the order of `inputs`, as exporters give dicts another meaning.

b batch, m modalities, k width of the memory, s state width
"""

import copy
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from ...perception.errors import ExportError
from ...perception.perception import Perception, State
from ...perception.spec import PRESENT, Spec, key_of
from ..environment.normalization import Normalization
from ..extractor import PerceptionExtractor
from ..policy import SensePolicy
from ..second_look import Percept

MEMORY, START, MEMORY_OUT = "memory", "start", "memory_out"
"""Names of what a policy with a memory also takes and gives."""

BATCH = 2
"""Rows of the observation that is traced; no number of rows is special, but 1 could be taken for one to broadcast."""


class Graph(nn.Module):
    """Base: inputs in the order of their names, outputs likewise.

    Attributes:
        inputs: name -> an example, `BATCH` rows of nothing.
        outputs: names of what `forward` gives.
    """

    inputs: dict[str, Tensor]
    outputs: list[str]

    normalization: Normalization | None = None

    @property
    def perception(self) -> Perception:
        """The senses' part of it."""
        raise NotImplementedError

    def perceived(self, given: dict[str, Tensor]) -> State:
        """The state of an observation as the senses describe it."""
        return self.perception(
            given if self.normalization is None else self.normalization.applied(given), with_tokens=True
        )

    def gates(self, state: State) -> Tensor:
        """The gates side by side, (b, m)."""
        return torch.stack([state.gates[name] for name in self.perception.spec.names], dim=1)


class PerceptionGraph(Graph):
    """Readings in, state and gates out."""

    def __init__(self, perception: Perception) -> None:
        super().__init__()
        self.network = perception
        self.inputs = example(perception.spec, with_parts=True)
        self.outputs = ["state", "gates"]

    @property
    def perception(self) -> Perception:
        return self.network

    def forward(self, *parts: Tensor) -> tuple[Tensor, ...]:
        state = self.perceived(dict(zip(self.inputs, parts, strict=True)))
        return state.embedding, self.gates(state)


class PolicyGraph(Graph):
    """Readings, and the memory where there is one, in; state, gates, actions' logits or means, value, memory out."""

    def __init__(self, policy: ActorCriticPolicy) -> None:
        super().__init__()
        self.policy = policy
        self.normalization = cast(PerceptionExtractor, policy.features_extractor).normalization
        self.inputs = example(self.perception.spec, with_parts=False)
        self.has_numbers = isinstance(policy.action_space, spaces.Box)
        self.outputs = ["state", "gates", *(("mean", "log_std") if self.has_numbers else ("logits",)), "value"]
        self.memory_width = policy.state_width if isinstance(policy, SensePolicy) else 0
        if self.memory_width:
            self.inputs[MEMORY] = torch.zeros(BATCH, self.memory_width)
            self.inputs[START] = torch.ones(BATCH, dtype=torch.bool)
            self.outputs.append(MEMORY_OUT)

    @property
    def perception(self) -> Perception:
        return cast(PerceptionExtractor, self.policy.features_extractor).perception

    def forward(self, *parts: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(self.inputs, parts, strict=True))
        memory, start = given.pop(MEMORY, None), given.pop(START, None)
        state = self.perceived(given)
        if isinstance(self.policy, SensePolicy):
            percept = Percept(state.embedding, state.tokens or {}, state.present)
            judged, memory = self.policy.judge(percept, memory, None if start is None else start[None])
            numbers, values = judged.logits, judged.values
        else:
            actor, critic = self.policy.mlp_extractor(state.embedding)
            numbers, values = self.policy.action_net(actor), self.policy.value_net(critic)[:, 0]
        out = [state.embedding, self.gates(state), numbers]
        if self.has_numbers:
            out.append(cast(Tensor, self.policy.log_std).expand(numbers.shape[0], -1) + torch.zeros_like(numbers))
        out.append(values)
        return (*out, memory) if memory is not None else tuple(out)


def example(spec: Spec, *, with_parts: bool) -> dict[str, Tensor]:
    """Some rows in which nothing is said, as tensors; with lengths of recordings where they are wanted."""
    made = {name: torch.from_numpy(np.stack([kind.placeholder()] * BATCH)) for name, kind in spec.items()}
    made[PRESENT] = torch.ones(BATCH, len(spec), dtype=torch.bool)
    if with_parts:
        for name, kind in spec.items():
            made |= {key_of(name, part): torch.ones(BATCH, dtype=torch.int64) for part in kind.beside}
    return made


def graph_of(model: Perception | ActorCriticPolicy) -> PerceptionGraph | PolicyGraph:
    """A copy of the networks, on the CPU and at rest; the model itself is left as it is.

    Raises:
        ExportError: a policy of another sort.
    """
    if isinstance(model, Perception):
        return PerceptionGraph(_copied(model))
    reason = _why_not(model)
    if reason:
        raise ExportError(
            f"A {type(model).__name__} cannot be exported: {reason}. Export a Perception, a SensePolicy, or an "
            "ActorCriticPolicy over a PerceptionExtractor."
        )
    return PolicyGraph(_copied(model))


def _why_not(model: Any) -> str:
    if not isinstance(model, ActorCriticPolicy):
        return "it is no actor-critic policy"
    if not isinstance(model.features_extractor, PerceptionExtractor):
        return "its features extractor is no PerceptionExtractor"
    if not isinstance(model, SensePolicy) and type(model).forward is not ActorCriticPolicy.forward:
        return "it acts in a way of its own, as policies with an LSTM do"
    if not model.share_features_extractor or model.use_sde:
        return "it has two features extractors, or noise that depends on the state"
    return ""


def _copied(model: Any) -> Any:
    copied = copy.deepcopy(model).to("cpu").float().eval()
    return copied.requires_grad_(False)
