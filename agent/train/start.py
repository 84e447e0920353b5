"""What a training starts from: its environments, its perception, and the trainer's `Training` that is built of them."""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from stable_baselines3.common.vec_env import VecEnv

from ...perception.config import PerceptionConfig
from ...perception.errors import CheckpointError
from ...perception.perception import Perception
from ...perception.spec import Spec
from ...policies.presets import KNOWING
from ...policies.processes import world_size
from ...policies.trainer import TRAINERS, Setup
from ...policies.trainers.settings import IMITATION
from ...policies.training import Training
from ..play.environments import EnvFacts, make_batch, make_vector_env
from ..play.experts import vector_expert_for
from ..runs.machine import limit_threads, require_compiler
from ..settings.engines import learned_in
from ..settings.train import TrainConfig
from .demonstrations import Demonstrations
from .processes import environments_each

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv


def make_training_env(
    config: TrainConfig, device: torch.device, shown_to: Demonstrations | None = None
) -> "tuple[VecEnv | VectorEnv[Any, Any, Any], EnvFacts]":
    """The environments of a training run; those to evaluate in have all their senses.

    Args:
        config: what to train.
        device: of the network.
        shown_to: the dataset that is imitated, if any; where nothing is learned after that, it is what is played.

    Returns:
        The simulator's batch of tensors for a trainer that reads them, where the id is of ours; a `VecEnv` otherwise.

    Raises:
        SenseweaveError: see `make_vector_env`.
    """
    trainer = TRAINERS[config.trainer]()
    trainer.require_processes(world_size())
    if shown_to is not None and not config.plan.learning:
        return shown_to.vector(config, device, environments_each(config)), shown_to.facts
    env_id, options = learned_in(config.env, config.env_options)
    share, count = config.modality_dropout, environments_each(config)
    if trainer.reads_tensors:
        outages = {"outages": share, "outage_steps": "episode"} if share else {}
        batch = make_batch(env_id, options | outages, count, device)
        if batch is not None:
            return batch, EnvFacts(batch.senses, batch.action_names, batch.step_s)
    return make_vector_env(env_id, options, count, device, modality_dropout=share)


def resolve_perception(config: TrainConfig, senses: Spec) -> tuple[PerceptionConfig, Perception | None]:
    """The network's size and fusion, and the pretrained weights to start from, if any.

    Raises:
        UnknownNameError: an unknown fusion or preset.
        CheckpointError: the pretrained weights are damaged, or were made for other senses.
    """
    if config.perception is None:
        changes = {} if config.fusion is None else {"fusion": config.fusion}
        return PerceptionConfig.preset(config.preset or "laptop", **changes), None
    pretrained = Perception.from_pretrained(config.perception)
    if pretrained.spec != senses:
        raise CheckpointError(
            f"{config.perception} was trained for {pretrained.spec}, but the environment senses {senses}; "
            "choose other --env-option values, or train without --perception."
        )
    return pretrained.config, pretrained


def build_training(
    config: TrainConfig,
    settings: Mapping[str, Any],
    perception: PerceptionConfig,
    senses: Spec,
    vector: "VecEnv | VectorEnv[Any, Any, Any]",
    device: torch.device,
    shown_to: Demonstrations | None = None,
) -> Training:
    """A training that is ready to learn, with random weights.

    Args:
        config: what to train.
        settings: the algorithm's, see `Trainer.settings`.
        perception: the network's.
        senses: what the environments show.
        vector: see `make_training_env`.
        device: of the network.
        shown_to: the dataset that is imitated, if any.

    Raises:
        ConfigError: the environments have no expert to imitate, or the perception is to be compiled for a CPU, and no
            compiler is here.
    """
    if config.compile and device.type == "cpu":
        require_compiler()
    limit_threads(perception)
    which = settings.get(IMITATION, {}).get("expert", KNOWING)  # as runs of earlier releases have it
    played = shown_to.vector(config, device, environments_each(config)) if shown_to and config.plan.learning else None
    imitated: Any = vector if played is None else played
    expert = functools.partial(vector_expert_for, imitated, config.env, *([] if which == KNOWING else [which]))
    setup = Setup(config, settings, vector, senses, perception, device, expert, played)
    return TRAINERS[config.trainer]().build(setup)
