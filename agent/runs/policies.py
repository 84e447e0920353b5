"""From a run directory to a policy that is ready to act, in the environment that was asked for."""

from typing import TYPE_CHECKING, Any

import gymnasium
import torch
from stable_baselines3.common.policies import ActorCriticPolicy

from ...envs import make
from ...envs.registry import import_package
from ...perception.errors import ConfigError
from ...policies.export import ExportedPolicy
from ..play.environments import EnvFacts
from ..play.episodes import require_senses
from ..play.fitting import lacking
from ..play.players import PolicyPlayer
from ..play.registry import Seat
from ..settings.evaluate import EvaluateConfig
from ..terminal.progress import tell
from .directory import RunDirectory
from .exported import ExportedRun, open_policy
from .machine import choose_device, limit_threads
from .strangers import choose_env, refuse_live


if TYPE_CHECKING:
    from .exported import PolicyFolder

AnyPolicy = ActorCriticPolicy | ExportedPolicy


def load_policy(run: "PolicyFolder", env: gymnasium.Env[Any, Any], device: torch.device) -> tuple[AnyPolicy, int]:
    """The run's newest policy, for an environment like the one it was trained in; it may lack some of the senses.

    One that was exported acts on the CPU, whatever the device.

    Returns:
        The policy, ready to predict, and the steps that it was trained for.

    Raises:
        ConfigError: the environment has senses of other kinds, none of the policy's, or other actions.
        CheckpointError: the weights are missing, damaged, or do not fit.
    """
    if isinstance(run, ExportedRun):
        return run.policy_for(env), run.steps
    facts, config = EnvFacts.of(env), run.config
    limit_threads(config.perception)
    for name in lacking(facts.senses, config.spec, "the environment", str(run.path)):
        tell(f"{name}: the policy was trained with it, but the environment lacks it; it is absent.")
    if not run.reader.has_actions(config, tuple(facts.action_names)):
        raise ConfigError(
            f"The environment's actions are {', '.join(facts.action_names)}, but {run.path} was trained with "
            f"{', '.join(config.action_names)}; choose another --env."
        )
    policy, steps = run.reader.read(run.path, config, config.spec.space(), env.action_space)
    policy.set_training_mode(False)
    return policy.to(device), steps


def make_policy_player(address: str, seat: Seat) -> PolicyPlayer:
    """The policy of a run, or one that was exported, as a player: "policy:runs/seek".

    Raises:
        SenseweaveError: there is no such run, or it does not fit the environment; see `load_policy`.
    """
    policy, _ = load_policy(open_policy(address), seat.env, choose_device(seat.device))
    return PolicyPlayer(policy, greedy=seat.greedy)


def chooses_one_action(run: RunDirectory) -> bool:
    """Whether the run's policy takes one of its named actions, and not several at once or numbers."""
    return run.reader.chooses_one_action(run.path, run.config)


def open_run(config: EvaluateConfig) -> "tuple[PolicyFolder, AnyPolicy, int, str, dict[str, Any]]":
    """Opens a run, or an exported policy, for evaluation.

    Returns:
        The run, its policy, the steps that it was trained for, the environment's id and its options.

    Raises:
        SenseweaveError: something does not fit; see `RunDirectory.open` and `load_policy`.
    """
    device = choose_device(config.device)
    import_package(config.env)  # which may register kinds that the run senses
    run = open_policy(config.run)
    env_id, options = choose_env(run, config.env, config.env_options)
    refuse_live(env_id)
    env = make(env_id, **options)
    try:
        policy, steps = load_policy(run, env, device)
        require_senses(config.without, run.config.spec)
    finally:
        env.close()
    return run, policy, steps, env_id, options
