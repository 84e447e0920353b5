"""`senseweave record`: episodes of an environment, played by an expert, a policy or chance, as a dataset."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

from ...envs import make
from ...envs.datasets import DATASETS, DatasetFacts, Episode, write_dataset
from ...envs.datasets.open import require_new
from ...envs.registry import import_package
from ...policies.saving.random_state import cuda_devices
from ..play.recorded import facts_of, play_recorded
from ..play.registry import Seat, make_player, name_of
from ..runs.exported import open_policy
from ..runs.strangers import choose_env, refuse_live
from ..settings.record import RecordConfig
from ..settings.train import TrainConfig
from ..terminal.progress import Progress, duration, tell
from ..terminal.stop import StopRequest

SEEDS_PER_SET = 1_000_000
"""Episode i of set s has the seed s * 1,000,000 + i; those from 1,000,000,000 up are for evaluation."""


def record(config: RecordConfig, out: str) -> dict[str, Any]:
    """Records.

    Args:
        config: what to record.
        out: the folder, new or empty.

    Returns:
        What `record --json` prints.

    Raises:
        SenseweaveError: something that the caller can fix.
    """
    import_package(config.env)  # which may register kinds that a run senses
    env_id, options = _choose_env(config)
    refuse_live(env_id)
    require_new(Path(out))
    env = make(env_id, **options)
    try:
        return _record(config, Path(out), env, env_id)
    finally:
        env.close()


def _choose_env(config: RecordConfig) -> tuple[str, dict[str, Any]]:
    if config.run is None:
        return config.env or TrainConfig.env, config.env_options or {}
    return choose_env(open_policy(config.run), config.env, config.env_options)


def _record(config: RecordConfig, out: Path, env: gymnasium.Env[Any, Any], env_id: str) -> dict[str, Any]:
    facts = facts_of(env, env_id)
    returns, successes, steps = list[float](), list[bool](), 0
    began = time.monotonic()
    with (
        StopRequest("Stopping after this episode. Press Ctrl-C again to quit at once.") as stop,
        Progress(config.episodes, "episodes") as progress,
    ):

        def note(episode: Episode) -> None:
            nonlocal steps
            steps += len(episode)
            returns.append(float(episode.rewards.sum()))
            if episode.success is not None:
                successes.append(episode.success)
            progress.advance(1, f"{steps:,} steps")

        losses = _write(config, out, facts, _played(config, env, env_id, facts, stop), note)
    seconds = time.monotonic() - began
    tell(f"Recorded {len(returns):,} episodes with {steps:,} steps in {duration(seconds)}.")
    for sentence in losses:
        tell(sentence)
    return {
        "env": env_id,
        "player": config.player,
        "out": str(out),
        "format": config.format,
        "episodes": len(returns),
        "steps": steps,
        "seconds": round(seconds, 3),
        "steps_per_second": round(steps / max(seconds, 1e-9), 1),
        "success_rate": sum(successes) / len(successes) if successes else None,
        "mean_return": float(np.mean(returns)),
        "losses": losses,
        "was_interrupted": stop.is_set,
    }


def _played(
    config: RecordConfig, env: gymnasium.Env[Any, Any], env_id: str, facts: DatasetFacts, stop: StopRequest
) -> Iterator[Episode]:
    """The episodes, until all are played or somebody wants to stop."""
    player = make_player(config.player, Seat(env, env_id, config.device, config.greedy))
    name = name_of(config.player)
    for number in range(config.episodes):
        if stop.is_set:
            return
        seed = config.seed * SEEDS_PER_SET + number
        with torch.random.fork_rng(devices=cuda_devices()):
            torch.manual_seed(seed)
            episode = play_recorded(player, env, facts, seed, name)
        yield episode


def _write(config: RecordConfig, out: Path, facts: DatasetFacts, episodes: Iterator[Episode], note: Any) -> list[str]:
    """Writes them: where every episode is safe at once, into their place, and else all of them together."""
    chosen = DATASETS[config.format]()
    if not chosen.grows:
        return write_dataset(episodes, out, config.format, facts=facts, on_episode=note)
    with chosen.write(out, facts) as writer:
        for episode in episodes:
            writer.add(episode)
            note(episode)
    return writer.losses()


def as_text(result: dict[str, Any]) -> str:
    """The result for people."""
    rate = result["success_rate"]
    success = "" if rate is None else f"   success {rate:.3f}"
    return "\n".join(
        [
            f"{result['episodes']:,} episodes of {result['env']}, played by {result['player']}: {result['steps']:,} "
            f"steps   return {result['mean_return']:.3f}{success}",
            f"dataset         {result['out']} ({result['format']})",
            f"learn from it   senseweave train --dataset {result['out']}",
        ]
    )
