"""Hyper-parameters that work, one typed line each, for stable-baselines3 and sb3-contrib.

Measured on BabyAI-GoToRedBallGrey-v0 with the preset "laptop"; docs/results.md has the curves. Schedules are plain
functions of the remaining progress, 1 at the start and 0 at the end of training. A last rollout may end beyond it, and
stable-baselines3 then says less than 0; a schedule stays at its end.
"""

import dataclasses
from typing import Any

from ..perception.config import PerceptionConfig
from ..perception.spec import Spec
from .extractor import PerceptionExtractor


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
    """For PPO, and for RecurrentPPO with fewer, longer environments."""

    learning_rate: float = 1e-3  # falls linearly to 0
    n_steps: int = 128  # steps of each environment between updates
    batch_size: int = 256
    n_epochs: int = 4
    gamma: float = 0.99
    gae_lambda: float = 0.99  # sparse rewards: trust returns more than the value function
    clip_range: float = 0.2
    ent_coef: float = 0.003  # explore at first; the trainer lets it fall to 0
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5


DEVICE_PRESET = PPOPreset()
"""For the on-device PPO. After imitation long rollouts matter: with a quarter of the steps Seek was unlearned again."""

MEMORY_PRESET = PPOPreset(learning_rate=5e-4, n_steps=40, batch_size=1280, ent_coef=0.005)
"""For the on-device PPO with a memory, which learns whole rollouts: GoToLocal to 99 % in 59,000 episodes."""


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


def policy_settings(spec: Spec, config: PerceptionConfig | None = None) -> dict[str, Any]:
    """`policy_kwargs` for "MultiInputPolicy" with the perception of a spec: frames stay 0..255, one hidden layer."""
    return {
        "features_extractor_class": PerceptionExtractor,
        "features_extractor_kwargs": {"spec": spec, "config": config or PerceptionConfig()},
        "normalize_images": False,
        "optimizer_kwargs": {"eps": 1e-5, "fused": True},  # one kernel for all weights: many small tensors are slow
    }


def ppo_settings(spec: Spec, config: PerceptionConfig | None = None, preset: PPOPreset | None = None) -> dict[str, Any]:
    """Keyword arguments for `PPO("MultiInputPolicy", env, **ppo_settings(spec))`."""
    settings = dataclasses.asdict(preset or PPOPreset())
    settings["learning_rate"] = linear(settings["learning_rate"])
    policy = policy_settings(spec, config) | {"net_arch": {"pi": [64], "vf": [64]}}
    return settings | {"policy_kwargs": policy}


def recurrent_ppo_settings(
    spec: Spec, config: PerceptionConfig | None = None, preset: PPOPreset | None = None
) -> dict[str, Any]:
    """Keyword arguments for sb3-contrib's `RecurrentPPO("MultiInputLstmPolicy", env, **...)`."""
    settings = ppo_settings(spec, config, preset)
    settings["policy_kwargs"] |= {"lstm_hidden_size": 128, "enable_critic_lstm": False, "shared_lstm": True}
    return settings


def dqn_settings(spec: Spec, config: PerceptionConfig | None = None, preset: DQNPreset | None = None) -> dict[str, Any]:
    """Keyword arguments for `DQN("MultiInputPolicy", env, **dqn_settings(spec))`."""
    policy = policy_settings(spec, config) | {"net_arch": [64]}
    return dataclasses.asdict(preset or DQNPreset()) | {"policy_kwargs": policy}


def sac_settings(spec: Spec, config: PerceptionConfig | None = None, preset: SACPreset | None = None) -> dict[str, Any]:
    """Keyword arguments for `SAC("MultiInputPolicy", env, **sac_settings(spec))`."""
    policy = policy_settings(spec, config) | {"net_arch": [64, 64]}
    return dataclasses.asdict(preset or SACPreset()) | {"policy_kwargs": policy}
