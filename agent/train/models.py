"""Configuration in, stable-baselines3 objects out: vector environments, models to train, policies to run.

The one file of agent/ that knows how SB3's parts are put together. It trains nothing and saves nothing.
"""

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

from ...perception.config import PerceptionConfig
from ...perception.errors import CheckpointError
from ...perception.perception import Perception
from ...perception.spec import Spec
from ...policies.policy import SensePolicy
from ...policies.ppo.ppo import PPO as DevicePPO  # noqa: N811  (a class with a short name)
from ...policies.presets import MEMORY_PRESET, PPOPreset, ppo_settings, recurrent_ppo_settings
from ..play.environments import EnvFacts, make_batch, make_vector_env
from ..runs.machine import limit_threads, require_compiler
from ..settings.train import TrainConfig
from .processes import environments_each

if TYPE_CHECKING:
    from ...envs.rooms.vector_env import RoomsVectorEnv

Model = PPO | RecurrentPPO
"""What trains: a `DevicePPO` is a PPO too."""


def make_training_env(config: TrainConfig, device: torch.device) -> "tuple[VecEnv | RoomsVectorEnv, EnvFacts]":
    """The environments of a training run; those to evaluate in have all their senses.

    Returns:
        The simulator's batch of tensors for the on-device trainer, where the id is of ours; a `VecEnv` otherwise.

    Raises:
        SenseweaveError: see `make_vector_env`.
    """
    options, share = config.env_options, config.modality_dropout
    if config.trainer != "sb3":
        outages = {"outages": share, "outage_steps": "episode"} if share else {}
        batch = make_batch(config.env, options | outages, environments_each(config), device)
        if batch is not None:
            return batch, EnvFacts(batch.senses, batch.action_names, batch.step_s)
    return make_vector_env(config.env, options, environments_each(config), device, modality_dropout=share)


def resolve_algorithm(config: TrainConfig) -> PPOPreset:
    """The learning algorithm's settings, with rollouts and minibatches that suit short runs and many environments."""
    preset = PPOPreset()
    if config.memory != "none" and config.trainer == "senseweave":
        preset = MEMORY_PRESET
    n_steps = max(2, min(preset.n_steps, math.ceil(max(1, config.steps) / config.num_envs)))
    rollout = n_steps * config.num_envs
    minibatches = max(1, rollout // preset.batch_size)
    learning_rate = preset.learning_rate if config.learning_rate is None else config.learning_rate
    return dataclasses.replace(
        preset, n_steps=n_steps, batch_size=math.ceil(rollout / minibatches), learning_rate=learning_rate
    )


def resolve_perception(config: TrainConfig, senses: Spec) -> tuple[PerceptionConfig, Perception | None]:
    """The network's size and fusion, and the pretrained weights to start from, if any.

    Raises:
        UnknownNameError: an unknown fusion or preset.
        CheckpointError: the pretrained weights are damaged, or were made for other senses.
    """
    if config.perception is None:
        changes = {} if config.fusion is None else {"fusion": config.fusion}
        return PerceptionConfig.preset(config.preset or "laptop", **changes), None
    pretrained = Perception.from_pretrained(Path(config.perception))
    if pretrained.spec != senses:
        raise CheckpointError(
            f"{config.perception} was trained for {pretrained.spec}, but the environment senses {senses}; "
            "choose other --env-option values, or train without --perception."
        )
    return pretrained.config, pretrained


def build_model(
    config: TrainConfig,
    algorithm: PPOPreset,
    perception: PerceptionConfig,
    senses: Spec,
    vector: "VecEnv | RoomsVectorEnv",
    device: torch.device,
    workers: int | None = None,
) -> Model:
    """A model that is ready to learn, with random weights.

    Args:
        config: what to train.
        algorithm: PPO's settings.
        perception: the network's.
        senses: what the environments show.
        vector: see `make_training_env`.
        device: of the network.
        workers: threads of the on-device trainer; None takes one for each core.

    Raises:
        ConfigError: the perception is to be compiled for a CPU, and no compiler is here.
    """
    if config.compile and device.type == "cpu":
        require_compiler()
    limit_threads(perception)
    # SB3 counts its progress over all steps, imitation included; the rate shall be the preset's where PPO begins.
    rate = algorithm.learning_rate * config.all_steps / max(1, config.learning_steps)
    algorithm = dataclasses.replace(algorithm, learning_rate=rate)
    common = {"seed": config.seed, "device": device}
    environments: Any = vector
    if config.trainer == "sb3" and config.memory == "gru":
        settings = recurrent_ppo_settings(senses, perception, algorithm)
        return RecurrentPPO("MultiInputLstmPolicy", environments, **settings, **common)
    settings = ppo_settings(senses, perception, algorithm)
    if config.trainer == "sb3":
        return PPO(SensePolicy, environments, **settings, **common)
    settings["policy_kwargs"]["memory"] = config.memory
    return DevicePPO(
        "MultiInputPolicy",
        environments,
        workers=workers,
        auxiliary=config.auxiliary,
        compile=config.compile,
        **settings,
        **common,
    )
