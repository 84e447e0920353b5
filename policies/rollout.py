"""`Rollout`: what was seen and done since the last update, as tensors on the learner's device.

Frames and tokens are kept as small whole numbers; a microphone's samples, which are multiples of 2^-15, as int16. The
policy acts on what was stored and read back, so that acting and learning see the same.

t steps, b environments, s width of the memory's state, n rows, k tokens
"""

from collections.abc import Mapping

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from ..perception.spec import PRESENT, Instruction, Microphone, Spec
from .sources import Observation

_FULL_SCALE = 32768.0


class Rollout:
    """Room for `steps` steps of `num_envs` environments; written step by step, read as a whole.

    Args:
        steps: t.
        num_envs: b.
        device: of everything.
        spec: the senses, where the observation is of ours: its sounds are kept as int16 then.

    Attributes:
        actions, log_probs, values, rewards, starts: t b; `starts` marks first steps of an episode.
        missions: t b, numbers of the instructions that hold, where the environment tells; else 0.
        advantages, returns: t b, after `finish`.
        memory: b s, the memory's state before the first step; None for a policy without memory.
        length: steps written so far.
    """

    actions: Shaped[Tensor, "t b *a"]
    advantages: Float[Tensor, "t b"]
    returns: Float[Tensor, "t b"]

    def __init__(self, steps: int, num_envs: int, device: torch.device, spec: Spec | None = None) -> None:
        self.steps, self.num_envs, self.device = steps, num_envs, device
        self._sounds = tuple(name for name, kind in (spec or {}).items() if isinstance(kind, Microphone))
        self._texts = tuple(
            name for name, kind in (spec or {}).items() if isinstance(kind, Instruction) and kind.vocab_size <= 32767
        )
        self._places = {name: index for index, name in enumerate(spec.names)} if spec is not None else {}
        self._observations: dict[str, Tensor] = {}
        self.log_probs, self.values, self.rewards = (torch.zeros(steps, num_envs, device=device) for _ in range(3))
        self.starts: Bool[Tensor, "t b"] = torch.zeros(steps, num_envs, dtype=torch.bool, device=device)
        self.missions: Int[Tensor, "t b"] = torch.zeros(steps, num_envs, dtype=torch.int64, device=device)
        self.memory: Float[Tensor, "b s"] | None = None
        self.length = 0

    def begin(self, memory: Float[Tensor, "b s"] | None) -> None:
        """Forgets what was there; `memory` is the memory's state now."""
        self.length, self.memory = 0, memory

    def see(self, observation: Observation, missions: Int[Tensor, " b"] | None = None) -> Observation:
        """Stores an observation, and whose instruction holds, as that of the next step; gives it as it will be read."""
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
        return self.unpack(self._cut(packed))

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

    def pack(self, observation: Observation) -> Observation:
        """An observation in small numbers. A sound that is not finite is marked absent, as the network would do."""
        packed = dict(observation)
        for name in self._sounds:
            if name not in packed:
                continue
            sound = packed[name]
            is_finite = (sound * 0.0).flatten(1).sum(dim=1) == 0.0
            said = packed.get(PRESENT)
            present = sound.new_ones(len(sound), len(self._places)) if said is None else said.clone()
            present[:, self._places[name]] *= is_finite.to(present.dtype)
            packed[PRESENT] = present
            whole = (sound * _FULL_SCALE).round().nan_to_num(0.0).clamp(-_FULL_SCALE, _FULL_SCALE - 1)
            packed[name] = whole.to(torch.int16)
        for name in self._texts:
            if name in packed and packed[name].dtype == torch.int32:
                packed[name] = packed[name].to(torch.int16)
        return packed

    def unpack(self, packed: Mapping[str, Tensor]) -> Observation:
        """What `pack` made, as the policy takes it."""
        return {name: part.float() / _FULL_SCALE if name in self._sounds else part for name, part in packed.items()}

    def observations(self, longest: int | None = None) -> Observation:
        """Everything seen, still packed, t b ...; instructions cut to the longest one."""
        whole = {name: part[: self.length] for name, part in self._observations.items()}
        for name in self._texts:
            if name in whole and longest is not None:
                whole[name] = whole[name][..., :longest]
        return whole

    def _cut(self, packed: Observation) -> Observation:
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
