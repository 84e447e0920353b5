"""Hyper-parameters that work, one typed line each: for PPO, imitation, and stable-baselines3's DQN and SAC.

Measured on BabyAI-GoToRedBallGrey-v0 with the preset "laptop"; docs/results.md has the curves. Whole jobs, with the
environment and the steps, are in `recipes.py`. Schedules are plain functions of the remaining progress, 1 at the start
and 0 at the end of training. A last rollout may end beyond it, and stable-baselines3 then says less than 0; a schedule
stays at its end. Nothing heavy is imported here.
"""

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Self

from ..perception.checks import require_number, require_whole
from ..perception.config import PerceptionConfig
from ..perception.errors import ConfigError

if TYPE_CHECKING:
    from ..perception.spec import Spec


@dataclasses.dataclass(frozen=True)
class Linear:
    """A schedule that goes from `start` to `end` as the remaining progress goes from 1 to 0; it can be saved."""

    start: float
    end: float = 0.0

    def __call__(self, progress_remaining: float) -> float:
        """The value now."""
        return self.end + (self.start - self.end) * max(0.0, progress_remaining)


def linear(start: float, end: float = 0.0) -> Linear:
    """A schedule that falls from `start` to `end` as the remaining progress goes from 1 to 0."""
    return Linear(start, end)


@dataclasses.dataclass(frozen=True)
class PPOPreset:
    """For PPO, and for RecurrentPPO with fewer, longer environments.

    Args:
        learning_rate: at the start; it falls linearly to 0.
        n_steps: steps of each environment between updates.
        batch_size: samples of a minibatch.
        n_epochs: how often each sample is learned from.
        gamma: discount.
        gae_lambda: how far returns are trusted more than the value head, 0..1; with sparse rewards, far.
        clip_range: how far the ratio of probabilities counts.
        ent_coef: weight of the entropy at the start, where the policy is to explore; the trainer lets it fall to 0.
        vf_coef: weight of the value head's squared error.
        max_grad_norm: longer gradients are shortened to this.
        normalize_rewards: whether rewards are divided by the standard deviation of the discounted returns so far; our
            own PPO alone can.
        log_std_init: logarithm of the standard deviation of continuous actions at the start; without effect on others.

    Raises:
        ConfigError: a value is of another type, or out of its range.
    """

    learning_rate: float = 1e-3
    n_steps: int = 128
    batch_size: int = 256
    n_epochs: int = 4
    gamma: float = 0.99
    gae_lambda: float = 0.99
    clip_range: float = 0.2
    ent_coef: float = 0.003
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    normalize_rewards: bool = False
    log_std_init: float = 0.0

    def __post_init__(self) -> None:
        for name in ("n_steps", "batch_size", "n_epochs"):
            require_whole(name, getattr(self, name), 1, of="PPO")
        for name in ("gamma", "gae_lambda"):
            require_number(name, getattr(self, name), at_least=0, at_most=1, of="PPO")
        for name in ("learning_rate", "clip_range", "max_grad_norm"):
            require_number(name, getattr(self, name), above=0, of="PPO")
        for name in ("ent_coef", "vf_coef"):
            require_number(name, getattr(self, name), at_least=0, of="PPO")
        require_number("log_std_init", self.log_std_init, at_least=-20, at_most=2, of="PPO")
        if not isinstance(self.normalize_rewards, bool):
            raise ConfigError(f"`normalize_rewards` of PPO must be true or false; got {self.normalize_rewards!r}.")

    def fitted(self, num_envs: int, steps: int, learning_rate: float | None = None) -> Self:
        """The same with rollouts and minibatches that suit a short run and many environments.

        Args:
            num_envs: environments side by side.
            steps: environment steps of the whole run; a rollout is no longer than that.
            learning_rate: None keeps the preset's.
        """
        n_steps = max(2, min(self.n_steps, math.ceil(max(1, steps) / num_envs)))
        rollout = n_steps * num_envs
        minibatches = max(1, rollout // self.batch_size)
        changes: dict[str, Any] = {} if learning_rate is None else {"learning_rate": learning_rate}
        return dataclasses.replace(self, n_steps=n_steps, batch_size=math.ceil(rollout / minibatches), **changes)


ADDED_LATER = frozenset({"normalize_rewards", "log_std_init"})
"""Settings of PPO that runs of the first releases lack; they had what is the default."""

MEMORY_PRESET = PPOPreset(learning_rate=5e-4, n_steps=40, batch_size=1280, ent_coef=0.005)
"""For the on-device PPO with a memory, which learns whole rollouts: GoToLocal to 99 % in 59,000 episodes."""


KNOWING = "knowing"
EXPERTS = ("honest", KNOWING)
"""Whom a policy can imitate in an environment that has both."""


@dataclasses.dataclass(frozen=True)
class ImitationSettings:
    """How to imitate.

    Args:
        learning_rate: at the start; it falls linearly to a tenth.
        rollout_size: samples between updates, at least; of all environments, and all processes, together.
        batch_size: samples of a minibatch, of all processes together; on a CPU 64 to 512 are equally fast, and the
            smaller ones learn sooner.
        epochs: how often each sample is learned from.
        expert_share: the part of all steps during which the expert's share of the actions falls linearly from 1, 0..1.
        last_expert_share: what it falls to, 0..1; 0 lets the policy play alone, 1 the expert.
        expert_noise: the part of the expert's steps in which it is disturbed, 0..1: it does what it would do now in
            another environment of the batch, drawn at random, or, where there is one alone, what it wanted earlier in
            the rollout. What is learned is what it wanted to do.
        expert: whom to ask, where the environment has both: the one that is "honest" and acts on what has been seen
            since the episode began, or the one that is "knowing" and sees everything.
        value_weight: of the value head's squared error in the loss; 0 leaves the value head alone.
        gamma: discount of the returns that the value head learns.
        max_grad_norm: longer gradients are shortened to this.

    Raises:
        ConfigError: a value is out of its range.

    Source: Ross et al. 2011, "A reduction of imitation learning and structured prediction to no-regret online
    learning" (DAgger), algorithm 3.1, with the newest rollout in the place of the aggregated data. Disturbed experts:
    Laskey et al. 2017, "DART: Noise injection for robust imitation learning", with a noise that is not fitted.
    """

    learning_rate: float = 1e-3
    rollout_size: int = 2048
    batch_size: int = 128
    epochs: int = 1
    expert_share: float = 0.5
    last_expert_share: float = 0.0
    expert_noise: float = 0.0
    expert: str = KNOWING
    value_weight: float = 0.1
    gamma: float = 0.99
    max_grad_norm: float = 1.0

    def __post_init__(self) -> None:
        for name in ("rollout_size", "batch_size", "epochs"):
            require_whole(name, getattr(self, name), 1)
        for name in ("expert_share", "last_expert_share", "expert_noise", "gamma"):
            require_number(name, getattr(self, name), at_least=0, at_most=1)
        for name in ("learning_rate", "max_grad_norm"):
            require_number(name, getattr(self, name), above=0)
        require_number("value_weight", self.value_weight, at_least=0)
        if self.expert not in EXPERTS:
            raise ConfigError(f"`expert` must be one of {', '.join(EXPERTS)}; got {self.expert!r}.")


EXPERT_ALONE = ImitationSettings(rollout_size=16_384, epochs=3, last_expert_share=1.0, expert_noise=0.3)
"""For a policy without memory. The expert alone plays, disturbed now and then: where a policy that errs has got to, the
expert's way is often one that nobody could guess from what is sensed there. 16,384 states of Seek are 0.3 GB."""

SEQUENCE_STEPS = 64
"""A policy with memory imitates over so many steps at a time: an instruction that is spoken takes two seconds, and is
to be remembered after it."""

SEQUENCES = 4
"""How many such sequences make a minibatch."""


def imitation_in_sequences(num_envs: int) -> ImitationSettings:
    """For a policy with memory, which learns whole environments: longer rollouts and larger minibatches.

    The policy and the expert play together, the expert less and less (DAgger).
    """
    return ImitationSettings(rollout_size=SEQUENCE_STEPS * num_envs, batch_size=SEQUENCES * SEQUENCE_STEPS)


def disturbed_in_sequences(num_envs: int, expert: str = KNOWING) -> ImitationSettings:
    """For a policy with memory, which learns whole environments from an expert that plays alone, disturbed.

    Args:
        num_envs: environments side by side.
        expert: whom to imitate.
    """
    own = imitation_in_sequences(num_envs)
    return dataclasses.replace(own, epochs=3, last_expert_share=1.0, expert_noise=0.3, expert=expert)


def imitation_of_data(num_envs: int, *, in_sequences: bool) -> ImitationSettings:
    """For a dataset, in which whoever acted goes on acting: nobody else does, and nobody can be disturbed.

    Each sample is learned from once in a pass through the data, of which there are as many as the steps allow.

    Args:
        num_envs: episodes that are played side by side.
        in_sequences: whether the policy has a memory.
    """
    own = imitation_in_sequences(num_envs) if in_sequences else ImitationSettings()
    return dataclasses.replace(own, last_expert_share=1.0)


@dataclasses.dataclass(frozen=True)
class DQNPreset:
    """For DQN; the buffer holds 20,000 observations, 0.5 GB of 64 x 64 frames."""

    learning_rate: float = 3e-4
    buffer_size: int = 20_000
    learning_starts: int = 1_000
    batch_size: int = 64
    train_freq: int = 4
    target_update_interval: int = 1_000
    exploration_fraction: float = 0.2
    exploration_final_eps: float = 0.02


@dataclasses.dataclass(frozen=True)
class SACPreset:
    """For SAC, continuous actions; actor and critic share no perception, as SB3 does by default."""

    learning_rate: float = 3e-4
    buffer_size: int = 20_000
    learning_starts: int = 1_000
    batch_size: int = 128
    train_freq: int = 1
    gradient_steps: int = 1


def policy_settings(spec: "Spec", config: PerceptionConfig | None = None) -> dict[str, Any]:
    """`policy_kwargs` for "MultiInputPolicy" with the perception of a spec: frames stay 0..255, one hidden layer."""
    from .extractor import PerceptionExtractor

    return {
        "features_extractor_class": PerceptionExtractor,
        "features_extractor_kwargs": {"spec": spec, "config": config or PerceptionConfig()},
        "normalize_images": False,
        "optimizer_kwargs": {"eps": 1e-5, "fused": True},  # one kernel for all weights: many small tensors are slow
    }


def ppo_settings(
    spec: "Spec", config: PerceptionConfig | None = None, preset: PPOPreset | None = None
) -> dict[str, Any]:
    """Keyword arguments for `PPO("MultiInputPolicy", env, **ppo_settings(spec))`."""
    settings = dataclasses.asdict(preset or PPOPreset())
    settings["learning_rate"] = linear(settings["learning_rate"])
    policy = policy_settings(spec, config) | {"net_arch": {"pi": [64], "vf": [64]}}
    if log_std := settings.pop("log_std_init"):
        policy["log_std_init"] = log_std
    if not settings["normalize_rewards"]:
        del settings["normalize_rewards"]  # which stable-baselines3's PPO does not know
    return settings | {"policy_kwargs": policy}


def recurrent_ppo_settings(
    spec: "Spec", config: PerceptionConfig | None = None, preset: PPOPreset | None = None
) -> dict[str, Any]:
    """Keyword arguments for sb3-contrib's `RecurrentPPO("MultiInputLstmPolicy", env, **...)`."""
    settings = ppo_settings(spec, config, preset)
    settings["policy_kwargs"] |= {"lstm_hidden_size": 128, "enable_critic_lstm": False, "shared_lstm": True}
    return settings


def dqn_settings(
    spec: "Spec", config: PerceptionConfig | None = None, preset: DQNPreset | None = None
) -> dict[str, Any]:
    """Keyword arguments for `DQN("MultiInputPolicy", env, **dqn_settings(spec))`."""
    policy = policy_settings(spec, config) | {"net_arch": [64]}
    return dataclasses.asdict(preset or DQNPreset()) | {"policy_kwargs": policy}


def sac_settings(
    spec: "Spec", config: PerceptionConfig | None = None, preset: SACPreset | None = None
) -> dict[str, Any]:
    """Keyword arguments for `SAC("MultiInputPolicy", env, **sac_settings(spec))`."""
    policy = policy_settings(spec, config) | {"net_arch": [64, 64]}
    return dataclasses.asdict(preset or SACPreset()) | {"policy_kwargs": policy}
