"""`Rollout`: what was seen and done since the last update, as tensors on the learner's device.

Frames and tokens are kept as small whole numbers, and sounds as features that hold nothing learned: their Fourier
transform is done once and not in every epoch again. Acting and learning see the same.

t steps, b environments, s width of the memory's state, n rows, k tokens
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from ...perception.perception import Perception
from ..policy import Observation
from .workers import Workers

MIN_SOUNDS = 16
"""A thread that gets fewer recordings than this costs more than it helps."""


MAX_INT16 = 2**15 - 1
"""The largest whole number that 16 bits hold."""


class Condensed(NamedTuple):
    """What `Perception.condense` made of a whole rollout."""

    rows: Observation
    """What is new, t b ..."""
    shared: Observation
    """What all rows share: distinct cells, without axes for steps and environments."""
    replaced: frozenset[str]
    """The readings in whose place that stands."""


class Rollout:
    """Room for `steps` steps of `num_envs` environments; written step by step, read as a whole.

    Args:
        steps: t.
        num_envs: b.
        device: of everything.
        perception: what the observations are for, where it is ours: it digests their sounds.
        workers: share that, and the minibatches; None does it in this thread alone.
        moved: modalities that the environment shows otherwise than the perception reads them.

    Attributes:
        actions, log_probs, values, rewards, starts: t b; `starts` marks first steps of an episode.
        missions: t b, numbers of the instructions that hold, where the environment tells; else 0.
        advantages, returns: t b, after `finish`.
        memory: b s, the memory's state before the first step; None for a policy without memory.
        length: steps written so far.
        is_finished: whether `advantages` and `returns` are those of these steps.
    """

    actions: Shaped[Tensor, "t b *a"]
    advantages: Float[Tensor, "t b"]
    returns: Float[Tensor, "t b"]

    def __init__(
        self,
        steps: int,
        num_envs: int,
        device: torch.device,
        perception: Perception | None = None,
        workers: Workers | None = None,
        moved: Collection[str] = (),
    ) -> None:
        self.steps, self.num_envs, self.device = steps, num_envs, device
        self._perception, self._moved, self._workers = perception, moved, workers or Workers(1)
        self._digest: Callable[[Observation], Observation] = dict
        if perception is not None and perception.can_digest:
            shared, digest = self._workers, perception.digest
            self._digest = lambda observation: shared.over_rows(digest, observation, MIN_SOUNDS)
        spec = {} if perception is None else perception.spec
        self._texts = tuple(name for name, kind in spec.items() if kind.is_text and kind.space().high.max() < MAX_INT16)
        self._observations: dict[str, Tensor] = {}
        self.log_probs, self.values, self.rewards = (torch.zeros(steps, num_envs, device=device) for _ in range(3))
        self.starts: Bool[Tensor, "t b"] = torch.zeros(steps, num_envs, dtype=torch.bool, device=device)
        self.missions: Int[Tensor, "t b"] = torch.zeros(steps, num_envs, dtype=torch.int64, device=device)
        self.memory: Float[Tensor, "b s"] | None = None
        self.length, self.is_finished = 0, False

    def begin(self, memory: Float[Tensor, "b s"] | None) -> None:
        """Forgets what was there; `memory` is the memory's state now."""
        self.length, self.is_finished, self.memory = 0, False, memory

    def store_observation(self, observation: Observation, missions: Int[Tensor, " b"] | None = None) -> Observation:
        """Stores the observation of the next step, and the numbers of the instructions that hold.

        Returns:
            The observation as the policy takes it, now and when it learns.
        """
        if missions is not None:
            self.missions[self.length].copy_(missions)
        packed = self.pack(observation)
        if not self._observations:
            self._observations = {
                name: torch.zeros(self.steps, *part.shape, dtype=part.dtype, device=self.device)
                for name, part in packed.items()
            }
        for name, part in packed.items():
            self._observations[name][self.length].copy_(part)
        return self.cut(packed)

    def add(
        self,
        actions: Tensor,
        log_probs: Float[Tensor, " b"],
        values: Float[Tensor, " b"],
        starts: Bool[Tensor, " b"],
        rewards: Float[Tensor, " b"],
    ) -> None:
        """Stores the rest of the step whose observation was seen last."""
        if self.length == 0:
            self.actions = torch.zeros(self.steps, *actions.shape, dtype=actions.dtype, device=self.device)
        for whole, part in (
            (self.actions, actions),
            (self.log_probs, log_probs),
            (self.values, values),
            (self.starts, starts),
            (self.rewards, rewards),
        ):
            whole[self.length].copy_(part)
        self.length += 1

    def finish(
        self, last_values: Float[Tensor, " b"], last_starts: Bool[Tensor, " b"], gamma: float, gae_lambda: float
    ) -> None:
        """Works out advantages and returns.

        Args:
            last_values: of the observation after the last step.
            last_starts: whether that one begins an episode.
            gamma: discount.
            gae_lambda: how far returns are trusted more than values, 0..1.

        Source: Schulman et al. 2016 (arXiv 1506.02438), equation 16.
        """
        self.advantages = torch.zeros_like(self.rewards)
        advantage = torch.zeros_like(last_values)
        following, goes_on = last_values, (~last_starts).float()
        for step in reversed(range(self.length)):
            error = self.rewards[step] + gamma * following * goes_on - self.values[step]
            advantage = error + gamma * gae_lambda * goes_on * advantage
            self.advantages[step] = advantage
            following, goes_on = self.values[step], (~self.starts[step]).float()
        self.returns = self.advantages + self.values
        self.is_finished = True

    def pack(self, observation: Observation) -> Observation:
        """An observation as it is kept, and as the policy takes it."""
        packed = self._digest(observation)
        for name in self._texts:
            if name in packed and packed[name].dtype == torch.int32:
                packed[name] = packed[name].to(torch.int16)
        return packed

    def observations(self, longest: int | None = None) -> Observation:
        """Everything seen, still packed, t b ...; instructions cut to the longest one."""
        whole = {name: part[: self.length] for name, part in self._observations.items()}
        for name in self._texts:
            if name in whole and longest is not None:
                whole[name] = whole[name][..., :longest]
        return whole

    def condensed(self, whole: Observation, samples: int) -> Condensed:
        """What `observations` gave, condensed; only on a CPU, where that was measured.

        Args:
            whole: t b ...
            samples: of a minibatch, which the workers share.
        """
        if self._perception is None or self.device.type != "cpu":
            return Condensed({}, {}, frozenset())
        flat = {name: part.flatten(0, 1) for name, part in whole.items() if name not in self._moved}
        at_a_time = min(samples, self.length * self.num_envs) // self._workers.count
        condensed = self._perception.condense(flat, at_a_time)
        new = {key: part for key, part in condensed.items() if key not in whole}
        shared = {key: part for key, part in new.items() if key in self._perception.layout.shared}
        shape = (self.length, self.num_envs)
        rows = {key: part.unflatten(0, shape) for key, part in new.items() if key not in shared}
        return Condensed(rows, shared, frozenset(flat) - frozenset(condensed))

    def cut(self, packed: Observation) -> Observation:
        """Leaves the padding of instructions out where looking how long they are costs nothing."""
        if self.device.type != "cpu":
            return packed
        return packed | {name: packed[name][:, : _length(packed[name])] for name in self._texts if name in packed}

    def longest_instruction(self) -> int:
        """Tokens of the longest instruction seen, at least 1; waits for the device."""
        seen = [self._observations[name][: self.length] for name in self._texts if name in self._observations]
        return max((_length(tokens.flatten(0, -2)) for tokens in seen), default=1)


def _length(tokens: Shaped[Tensor, "n k"]) -> int:
    """Places up to the last one that holds a token in any row, at least 1."""
    used = (tokens != 0).any(dim=0).nonzero()
    return int(used[-1]) + 1 if len(used) else 1
