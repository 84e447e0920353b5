"""A policy taken apart: from recorded decisions to tokens, and from tokens, whatever is left of them, to its choices.

Nothing is carried on from step to step here: every decision is judged with the memory that was carried into it when
all senses were there.

b batch, n tokens, a numbers that describe a choice
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from stable_baselines3.common.distributions import Distribution, kl_divergence
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.preprocessing import preprocess_obs
from torch import Tensor

from ...perception.fusion import Fused
from ...perception.tokens import TokenGroup
from ...policies.extractor import PerceptionExtractor, perception_of
from ...policies.heads import action_logits, memory_shapes
from ...policies.second_look import Percept
from .decisions import Decision

Groups = Mapping[str, TokenGroup]


class Perceived(NamedTuple):
    """A batch of decisions as tokens, with everything else that the choice depends on."""

    groups: dict[str, TokenGroup]
    """Masked where a sense is absent, and not imputed yet."""
    memory: tuple[Tensor, ...] | None
    """Carried into each step, parts (layers, b, width); zeros where an episode begins. None without a memory."""
    starts: Bool[Tensor, " b"]
    actions: Tensor
    """What was done, (b, ...)."""


class PolicyHead:
    """What a policy makes of tokens. It never changes the policy.

    Args:
        policy: with a perception of ours, with or without a memory.
    """

    def __init__(self, policy: ActorCriticPolicy) -> None:
        self.policy, self.perception = policy, perception_of(policy)

    @torch.no_grad()
    def perceive(self, decisions: Sequence[Decision]) -> Perceived:
        """Encodes at least one decision."""
        first = decisions[0].observation
        batch = {name: np.stack([decision.observation[name] for decision in decisions]) for name in first}
        tensors: Any = self.policy.obs_to_tensor(cast(Any, batch))[0]
        seen: Any = preprocess_obs(
            tensors, self.policy.observation_space, normalize_images=self.policy.normalize_images
        )
        extractor = cast(PerceptionExtractor, self.policy.features_extractor)
        state = extractor.perceive(seen, with_tokens=True)
        starts = torch.tensor([decision.is_first for decision in decisions], device=self.policy.device)
        actions = torch.as_tensor(np.stack([decision.action for decision in decisions]), device=self.policy.device)
        tokens = (state.tokens or {}).items()
        groups = {name: group.only_where(state.present[:, i]) for i, (name, group) in enumerate(tokens)}
        return Perceived(groups, self._memory(decisions), starts, actions)

    def _memory(self, decisions: Sequence[Decision]) -> tuple[Tensor, ...] | None:
        shapes = memory_shapes(self.policy, len(decisions))
        if shapes is None:
            return None
        parts = [np.zeros(shape, np.float32) for shape in shapes]
        for row, decision in enumerate(decisions):
            if decision.memory is not None and not decision.is_first:
                for part, carried in zip(parts, decision.memory, strict=True):
                    part[:, row] = carried
        return tuple(torch.as_tensor(part, device=self.policy.device) for part in parts)

    def fuse(self, groups: Groups) -> Fused:
        """The perception's state of some tokens: embedding, gates and attention maps."""
        return self._fuse(groups)[0]

    def _fuse(self, groups: Groups) -> tuple[Fused, dict[str, TokenGroup]]:
        """The same, and the tokens that were fused: imputed ones too, where the perception imputes."""
        present = torch.stack([group.available for group in groups.values()], dim=1)
        return self.perception.fuse(dict(groups), present)

    def distribution(self, perceived: Perceived, groups: Groups) -> Distribution:
        """What the policy would do, had it perceived `groups` instead."""
        policy, (fused, tokens) = self.policy, self._fuse(groups)
        logits = action_logits(policy, Percept(fused.embedding, tokens), perceived.memory, perceived.starts)
        own: Any = copy.copy(policy.action_dist)
        if hasattr(policy, "log_std"):
            return own.proba_distribution(logits, policy.log_std)
        return own.proba_distribution(action_logits=logits)

    def log_probability(self, perceived: Perceived, groups: Groups) -> Float[Tensor, " b"]:
        """Of what was done, as natural logarithms."""
        distribution: Any = self.distribution(perceived, groups)
        return distribution.log_prob(perceived.actions)


def kept(groups: Groups, names: frozenset[str]) -> dict[str, TokenGroup]:
    """The same tokens with every sense absent that is not among `names`: what the absence contract makes of it."""
    return {
        name: group if name in names else group.only_where(torch.zeros_like(group.available))
        for name, group in groups.items()
    }


def divergence(true: Distribution, other: Distribution) -> Float[Tensor, " b"]:
    """The Kullback-Leibler divergence KL(true || other) in nats, finite also where a probability underflows to 0."""
    one, two = cast(Any, true).distribution, cast(Any, other).distribution
    if isinstance(one, list):  # one of several choices each
        return torch.stack([_of_categoricals(p, q) for p, q in zip(one, two, strict=True)]).sum(dim=0)
    if isinstance(one, torch.distributions.Categorical):
        return _of_categoricals(one, two)
    told = kl_divergence(true, other)
    return told.flatten(1).sum(dim=1) if told.ndim > 1 else told


def _of_categoricals(p: torch.distributions.Categorical, q: torch.distributions.Categorical) -> Float[Tensor, " b"]:
    return (p.probs * (p.logits - q.logits)).sum(dim=-1)
