"""`senseweave evaluate`: how well a policy does on held-out seeds, sampled and greedy, with or without some senses."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy

from ...envs import make
from ..play.episodes import Episodes, held_out_seed, require_senses, run_episodes
from ..runs.directory import RunDirectory, require_named_env
from ..settings.checks import finite_or_none
from ..settings.train import EvaluateConfig
from ..show.video import try_to_record
from ..terminal.progress import Progress
from ..train import models as build

if TYPE_CHECKING:
    from ...envs.rooms.vector_env import RoomsVectorEnv


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
        SenseweaveError: something does not fit; see `RunDirectory.open` and `build.load_policy`.
    """
    device = build.choose_device(config.device)
    run = RunDirectory.open(config.run)
    env_id, options = choose_env(run, config)
    env = make(env_id, **options)
    try:
        policy, steps = build.load_policy(run, env, device)
        require_senses(config.without, run.config.spec)
    finally:
        env.close()
    return run, policy, steps, env_id, options


def evaluate(config: EvaluateConfig) -> dict[str, Any]:
    """Evaluates a run.

    Returns:
        What `evaluate --json` prints.

    Raises:
        SenseweaveError: something that the caller can mend.
    """
    run, policy, steps, env_id, options = open_run(config)
    result = evaluate_policy(
        policy,
        env_id,
        options,
        episodes=config.episodes,
        seed_set=config.seed,
        greedy=config.greedy,
        without=config.without,
        num_envs=config.num_envs,
    )
    result |= {"run": str(run.path), "trained_steps": steps, "video": None}
    if config.video is not None:
        result["video"] = try_to_record(
            policy,
            env_id,
            options,
            Path(config.video),
            seed_set=config.seed,
            greedy=config.greedy,
            without=config.without,
        )
    return result


def evaluate_policy(
    policy: BasePolicy,
    env_id: str,
    options: dict[str, Any],
    *,
    episodes: int,
    seed_set: int = 0,
    greedy: bool = False,
    without: Sequence[str] = (),
    num_envs: int | None = None,
) -> dict[str, Any]:
    """Plays the same held-out episodes twice, with sampled and with greedy actions.

    Returns:
        Plain JSON values; `success_rate`, `mean_return` and `mean_length` are those of the sampled policy, or of the
        greedy one where `greedy` is True.
    """
    envs = make_envs(env_id, options, episodes, num_envs, policy.device)
    policy.set_training_mode(False)
    try:
        with Progress(2 * episodes, "episodes") as progress:
            played = {
                name: run_episodes(
                    policy,
                    envs,
                    episodes,
                    seed_set=seed_set,
                    greedy=name == "greedy",
                    without=without,
                    on_episode=lambda: progress.advance(1),
                )
                for name in ("sampled", "greedy")
            }
    finally:
        close_envs(envs)
    steps = sum(int(part.lengths.sum()) for part in played.values())
    seconds = sum(part.seconds for part in played.values())
    result: dict[str, Any] = {
        "env": env_id,
        "steps": steps,
        "seconds": round(seconds, 3),
        "steps_per_second": round(steps / max(seconds, 1e-9), 1),
        "episodes": episodes,
        "policy": "greedy" if greedy else "sampled",
        "without": list(without),
        "first_seed": held_out_seed(seed_set, 0),
    }
    result |= summary(played[result["policy"]])
    for name, part in played.items():
        result |= {f"{name}_{key}": value for key, value in summary(part).items()}
    return result


def summary(played: Episodes) -> dict[str, Any]:
    """The figures of some episodes, as plain JSON values."""
    spread = float(np.std(played.returns, ddof=1)) if len(played.returns) > 1 else math.nan
    return {
        "success_rate": played.success_rate,
        "success_interval": played.success_interval and list(played.success_interval),
        "mean_return": finite_or_none(float(played.returns.mean())),
        "return_standard_error": finite_or_none(spread / math.sqrt(len(played.returns))),
        "mean_length": float(played.lengths.mean()),
    }


def make_envs(
    env_id: str, options: dict[str, Any], episodes: int, num_envs: int | None, device: torch.device
) -> "list[gymnasium.Env[Any, Any]] | RoomsVectorEnv":
    """Environments of one kind for so many episodes; a batch where the id is of ours.

    Args:
        env_id: as `senseweave envs` lists it.
        options: of the environment.
        episodes: how many are to be played.
        num_envs: how many side by side; None takes 512 in a batch, and 32 elsewhere.
        device: where a batch lives.
    """
    batch = build.make_batch(env_id, options, min(num_envs or 512, episodes), device)
    return [make(env_id, **options) for _ in range(min(num_envs or 32, episodes))] if batch is None else batch


def close_envs(envs: "Sequence[gymnasium.Env[Any, Any]] | RoomsVectorEnv") -> None:
    """Closes all of them."""
    for env in envs if isinstance(envs, Sequence) else [envs]:
        env.close()


def as_text(result: dict[str, Any]) -> str:
    """An evaluation for people: one line for each way to act."""
    lines = [f"{result['env']}, {result['episodes']} held-out episodes from seed {result['first_seed']:,}"]
    if result["without"]:
        lines[0] += f", without {' and '.join(result['without'])}"
    for name in ("sampled", "greedy"):
        rate, interval = result[f"{name}_success_rate"], result[f"{name}_success_interval"]
        success = "not defined here" if rate is None else f"{rate:.3f} (95 %: {interval[0]:.3f} to {interval[1]:.3f})"
        mean_return = result[f"{name}_mean_return"]
        told = "not finite" if mean_return is None else f"{mean_return:.3f}"
        lines.append(f"  {name:8}success {success}   return {told}   length {result[f'{name}_mean_length']:.1f}")
    return "\n".join(lines)
