"""From a run directory to a policy that is ready to act, in the environment that was asked for."""

import inspect
from typing import Any, cast

import gymnasium
import torch
from sb3_contrib.common.recurrent.policies import RecurrentMultiInputActorCriticPolicy
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy

from ...envs import make
from ...perception.errors import ConfigError
from ...perception.files import load_strictly
from ...policies.policy import SensePolicy
from ...policies.ppo.ppo import PPO as DevicePPO  # noqa: N811  (a class with a short name)
from ...policies.presets import ppo_settings, recurrent_ppo_settings
from ...policies.saving.model_config import SavedModel
from ...policies.saving.weights import chooses_one_of
from ..play.environments import EnvFacts
from ..play.episodes import require_senses
from ..settings.evaluate import EvaluateConfig
from .directory import RunDirectory, require_named_env
from .machine import choose_device, limit_threads


def load_policy(run: RunDirectory, env: gymnasium.Env[Any, Any], device: torch.device) -> tuple[ActorCriticPolicy, int]:
    """The run's newest policy, for an environment like the one it was trained in.

    Returns:
        The policy, ready to predict, and the steps that it was trained for.

    Raises:
        ConfigError: the environment has other senses or actions.
        CheckpointError: the weights are missing, damaged, or do not fit.
    """
    facts, config = EnvFacts.of(env), run.config
    limit_threads(config.perception)
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


def chooses_one_action(run: RunDirectory) -> bool:
    """Whether the policy of `train` takes one of the run's named actions, and not several at once or numbers."""
    if run.is_model:
        return True
    return chooses_one_of(run.load_policy()[0], len(run.config.action_names))


def choose_env(run: RunDirectory, config: EvaluateConfig) -> tuple[str, dict[str, Any]]:
    """The environment to evaluate in, and its options: the run's own unless told otherwise.

    Raises:
        ConfigError: the run's environment is a user's own and was not named.
    """
    trained = run.config.train
    env_id = config.env or trained.env
    require_named_env(run, config.env)
    is_own = env_id == trained.env
    options = config.env_options if config.env_options is not None else (trained.env_options if is_own else {})
    return env_id, options


def open_run(config: EvaluateConfig) -> tuple[RunDirectory, ActorCriticPolicy, int, str, dict[str, Any]]:
    """Opens a run for evaluation.

    Returns:
        The run, its policy, the steps that it was trained for, the environment's id and its options.

    Raises:
        SenseweaveError: something does not fit; see `RunDirectory.open` and `load_policy`.
    """
    device = choose_device(config.device)
    run = RunDirectory.open(config.run)
    env_id, options = choose_env(run, config)
    env = make(env_id, **options)
    try:
        policy, steps = load_policy(run, env, device)
        require_senses(config.without, run.config.spec)
    finally:
        env.close()
    return run, policy, steps, env_id, options
