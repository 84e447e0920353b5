"""Configuration in, stable-baselines3 objects out: vector environments, models to train, policies to run.

The one file of agent/ that knows how SB3's parts are put together. It trains nothing and saves nothing.
"""

import contextlib
import dataclasses
import inspect
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gymnasium
import torch
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentMultiInputActorCriticPolicy
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

from ...envs import SensorOutages, make
from ...perception.config import PerceptionConfig
from ...perception.errors import CheckpointError, ConfigError
from ...perception.files import load_strictly
from ...perception.perception import Perception, State
from ...perception.spec import Spec
from ...policies.policy import SensePolicy
from ...policies.ppo.ppo import PPO as DevicePPO  # noqa: N811  (a class with a short name)
from ...policies.ppo.workers import world_size
from ...policies.presets import DEVICE_PRESET, MEMORY_PRESET, PPOPreset, ppo_settings, recurrent_ppo_settings
from ...policies.saving.model_config import SavedModel
from ...policies.saving.weights import chooses_one_of
from ..runs.directory import RunDirectory
from ..settings.train import TrainConfig
from .processes import environments_each, local_rank

if TYPE_CHECKING:
    from ...envs.rooms.vector_env import RoomsVectorEnv

Model = PPO | RecurrentPPO
"""What trains: a `DevicePPO` is a PPO too."""

ROOMS_VECTOR_ENTRY = "senseweave.envs.rooms.vector_env:RoomsVectorEnv"
"""How Gymnasium's registry names the batched simulator."""


@dataclasses.dataclass(frozen=True)
class EnvFacts:
    """What a run needs to know about its environment."""

    senses: Spec
    action_names: tuple[str, ...]
    step_s: float

    @classmethod
    def of(cls, env: gymnasium.Env[Any, Any]) -> "EnvFacts":
        """Reads the attributes that every environment of ours has."""
        return cls(*(env.get_wrapper_attr(name) for name in ("senses", "action_names", "step_s")))


def choose_device(name: str) -> torch.device:
    """Turns "auto" into CUDA where it is there, and the CPU elsewhere.

    Raises:
        ConfigError: a CUDA device is asked for that is not there.
    """
    if name == "auto" and world_size() > 1 and torch.cuda.is_available():
        return torch.device("cuda", local_rank())
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f'`device` "{name}" is not here: torch sees {torch.cuda.device_count()} CUDA devices. '
            'Take "auto", and run `senseweave doctor`.'
        )
    return device


def settle_threads(perception: PerceptionConfig) -> None:
    """Takes one thread of the CPU for a network of laptop size, unless OMP_NUM_THREADS says otherwise.

    More threads gain such a network nothing that was measurable, and where other programs want the cores its threads
    wait for each other: 37 instead of 600 frames/s on 2 busy cores.
    """
    if perception.width <= PerceptionConfig().width and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def make_vector_env(
    env_id: str,
    options: dict[str, Any],
    num_envs: int,
    device: torch.device | None = None,
    *,
    modality_dropout: float = 0.0,
) -> tuple[VecEnv, EnvFacts]:
    """Environments side by side in this process, with episode statistics.

    Args:
        env_id: as `senseweave envs` lists it.
        options: of the environment.
        num_envs: how many.
        device: where batched environments of ours live; the CPU by default. Others are always on the CPU.
        modality_dropout: fraction of the episodes in which a sense is missing, each sense by itself.

    Raises:
        UnknownNameError: no such environment.
        MissingExtraError: its extra is not installed.
        ConfigError: an option is unknown or out of its range.
    """
    outages = {"outages": modality_dropout, "outage_steps": "episode"} if modality_dropout else {}
    batch = make_batch(env_id, options | outages, num_envs, device)
    if batch is not None:
        from ...envs.rooms.sb3_vec_env import RoomsSB3VecEnv

        return VecMonitor(RoomsSB3VecEnv(batch)), EnvFacts(batch.senses, batch.action_names, batch.step_s)

    def make_one() -> gymnasium.Env[Any, Any]:
        env = make(env_id, **options)
        return SensorOutages(env, modality_dropout, mean_steps="episode") if modality_dropout else env

    first = make_one()
    facts = EnvFacts.of(first)
    waiting = [first]
    vector = DummyVecEnv([lambda: waiting.pop() if waiting else make_one()] * num_envs)
    return VecMonitor(vector), facts


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


def is_batched(env_id: str) -> bool:
    """Whether the id is of the batched simulator."""
    registered = gymnasium.registry.get(env_id)
    return registered is not None and registered.vector_entry_point == ROOMS_VECTOR_ENTRY


def make_batch(
    env_id: str, options: dict[str, Any], num_envs: int, device: torch.device | None = None
) -> "RoomsVectorEnv | None":
    """One simulator of many environments, where the id is of ours; None for all others, which come one by one.

    Raises:
        ConfigError: an option is unknown or out of its range.
    """
    if not is_batched(env_id):
        return None
    from ...envs.rooms.vector_env import RoomsVectorEnv

    if "num_envs" in options:
        raise ConfigError('"num_envs" is no option of an environment; give --num-envs.')
    made: dict[str, Any] = {"device": device or torch.device("cpu")} | gymnasium.spec(env_id).kwargs | options
    return RoomsVectorEnv(num_envs=num_envs, **made)


def resolve_algorithm(config: TrainConfig) -> PPOPreset:
    """The learning algorithm's settings, with rollouts and minibatches that suit short runs and many environments."""
    preset = DEVICE_PRESET if config.trainer == "senseweave" else PPOPreset()
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


def require_compiler() -> None:
    """Makes sure that torch finds a C++ compiler, which it needs to compile for a CPU.

    Raises:
        ConfigError: there is none.
    """
    compiler = os.environ.get("CXX") or {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    if shutil.which(compiler) is None:
        raise ConfigError(
            f"`compile` needs a C++ compiler; {compiler} is not here. Install it, or leave out --compile."
        )


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
    settle_threads(perception)
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


def chooses_one_action(run: RunDirectory) -> bool:
    """Whether the policy of `train` takes one of the run's named actions, and not several at once or numbers."""
    if run.is_model:
        return True
    return chooses_one_of(run.load_policy()[0], len(run.config.action_names))


def load_policy(run: RunDirectory, env: gymnasium.Env[Any, Any], device: torch.device) -> tuple[ActorCriticPolicy, int]:
    """The run's newest policy, for an environment like the one it was trained in.

    Returns:
        The policy, ready to predict, and the steps that it was trained for.

    Raises:
        ConfigError: the environment has other senses or actions.
        CheckpointError: the weights are missing, damaged, or do not fit.
    """
    facts, config = EnvFacts.of(env), run.config
    settle_threads(config.perception)
    if facts.senses != config.spec:
        raise ConfigError(
            f"The environment senses {facts.senses}, but {run.path} was trained with {config.spec}; "
            "choose another --env or other --env-option values."
        )
    if tuple(facts.action_names) != config.action_names and not (run.is_model and not config.action_names):
        raise ConfigError(
            f"The environment's actions are {', '.join(facts.action_names)}, but {run.path} was trained with "
            f"{', '.join(config.action_names)}; choose another --env."
        )
    space = cast(gymnasium.spaces.Dict, env.observation_space)
    if run.is_model:
        return _policy_of_model(run, space, env.action_space, device)
    tensors, steps = run.load_policy()
    if config.train.trainer == "sb3" and config.train.memory == "gru":
        settings = recurrent_ppo_settings(config.spec, config.perception)["policy_kwargs"]
        policy = RecurrentMultiInputActorCriticPolicy(space, env.action_space, lambda _: 0.0, **settings)
    else:
        settings = ppo_settings(config.spec, config.perception)["policy_kwargs"] | {"memory": config.train.memory}
        policy = SensePolicy(space, env.action_space, lambda _: 0.0, **settings)
    load_strictly(policy, tensors, run.path / "policy.safetensors")
    policy.set_training_mode(False)
    return policy.to(device), steps


def _policy_of_model(
    run: RunDirectory, space: gymnasium.spaces.Dict, actions: gymnasium.Space[Any], device: torch.device
) -> tuple[ActorCriticPolicy, int]:
    """The policy that `PPO.save` wrote, for frames as the environment gives them: SB3 may have moved their channels."""
    known = {**inspect.signature(PPO).parameters, **inspect.signature(DevicePPO).parameters}
    left_out = {name: known[name].default for name in SavedModel.read(run.path).left_out}  # matters to learning alone
    model = DevicePPO.load(run.path, device="cpu", **left_out | {"seed": None, "workers": 1})
    if model.action_space != actions:
        raise ConfigError(
            f"The environment's actions are {actions}, but {run.path} was trained with {model.action_space}; "
            "choose another --env."
        )
    policy = cast(SensePolicy, model.policy_class(space, actions, lambda _: 0.0, **model.policy_kwargs))
    load_strictly(policy, model.policy.state_dict(), run.path)
    policy.set_training_mode(False)
    return policy.to(device), model.num_timesteps


@contextlib.contextmanager
def watch_states(policy: ActorCriticPolicy, on_state: Callable[[State], object]) -> Iterator[None]:
    """Calls `on_state` with the `State` of every forward call that the policy makes in the block."""

    def tell(_module: object, _inputs: object, state: Any) -> None:
        on_state(state)

    hook = perception_of(policy).register_forward_hook(tell)
    try:
        yield
    finally:
        hook.remove()


def perception_of(policy: ActorCriticPolicy) -> Perception:
    """The perception module inside a policy."""
    perception = policy.features_extractor.perception
    if not isinstance(perception, Perception):
        raise TypeError(f"The policy's extractor has no Perception; got {type(perception).__name__}.")
    return perception
