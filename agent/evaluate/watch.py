"""`senseweave watch`: a policy, an expert or chance plays some episodes, and a video with sound is left of them."""

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from ...envs.registry import import_package
from ...perception.texts import shown
from ..play.chance import wilson_interval
from ..play.episodes import require_senses
from ..play.experts import expert_for, has_expert
from ..play.players import ExpertPlayer, Player, PolicyPlayer, RandomPlayer
from ..runs.exported import open_policy
from ..runs.machine import choose_device
from ..runs.policies import load_policy
from ..runs.strangers import choose_env, refuse_live
from ..settings.train import TrainConfig
from ..settings.watch import WatchConfig
from ..show.programme import Programme, first_episodes, for_player, for_policy
from ..show.video import EPISODES, MAX_FRAMES, make_with_pictures, record
from ..terminal.progress import tell

if TYPE_CHECKING:
    from ..runs.exported import PolicyFolder


def watch(config: WatchConfig) -> dict[str, Any]:
    """Plays and films.

    Returns:
        What `watch --json` prints.

    Raises:
        SenseweaveError: something that the caller can fix.
    """
    import_package(config.env)  # which may register kinds that the run senses
    run = None if config.policy is None else open_policy(config.policy)
    env_id, options = _choose_env(config, run)
    env = make_with_pictures(env_id, options)
    try:
        require_senses([*config.without, *config.unplugged_from], env.get_wrapper_attr("senses"))
        name, player = _choose_player(config, run, env, env_id)
        path = Path(config.out if config.out is not None else _file_name(env_id, name, config.seed))
        programme = _programme(config, player, env, env_id, options)
        most = MAX_FRAMES * len(programme.parts)
        filmed = record(player, env, path, programme, seed_set=config.seed, max_frames=most)
    finally:
        env.close()
    if not all(episode.is_whole for episode in filmed) or len(filmed) < len(programme.parts):
        tell(f"The video ends after {most:,} pictures, before its episodes do.")
    ends = [episode.is_success for episode in programme.takes or filmed]
    known = [is_success for is_success in ends if is_success is not None]
    return {
        "env": env_id,
        "player": name,
        "run": config.policy,
        "video": str(path),
        "without": list(config.without),
        "unplugged": config.unplugged_from,
        "episodes": [dataclasses.asdict(episode) for episode in filmed],
        "steps": sum(episode.steps for episode in filmed),
        "chosen_of": len(programme.takes) or None,
        "success_rate": sum(known) / len(known) if known else None,
        "success_interval": list(wilson_interval(sum(known), len(known))) if known else None,
        "mean_return": float(np.mean([episode.total_return for episode in programme.takes or filmed])),
    }


def _programme(
    config: WatchConfig, player: Player, env: gymnasium.Env[Any, Any], env_id: str, options: dict[str, Any]
) -> Programme:
    """What is filmed: so many episodes as they come, or chosen ones where nobody says how many."""
    unplugged = config.unplugged_from
    if config.episodes is not None or unplugged:
        gone_from = dict.fromkeys(config.without, 0) | unplugged
        return first_episodes(config.seed, config.episodes or EPISODES, gone_from)
    how: dict[str, Any] = {"seed_set": config.seed, "without": config.without}
    if isinstance(player, PolicyPlayer):
        return for_policy(player.policy, env, env_id, options, greedy=config.greedy, **how)
    return for_player(player, env, **how)


def _choose_env(config: WatchConfig, run: "PolicyFolder | None") -> tuple[str, dict[str, Any]]:
    if run is None:
        return config.env or TrainConfig().env, config.env_options or {}
    env_id, options = choose_env(run, config.env, config.env_options)
    refuse_live(env_id)
    return env_id, options


def _choose_player(
    config: WatchConfig, run: "PolicyFolder | None", env: gymnasium.Env[Any, Any], env_id: str
) -> tuple[str, Player]:
    """The player and what to call it."""
    if run is not None:
        policy, _ = load_policy(run, env, choose_device(config.device))
        return "policy", PolicyPlayer(policy, greedy=config.greedy)
    if config.player == "expert" or (config.player is None and has_expert(env)):
        return "expert", ExpertPlayer(expert_for(env, env_id))
    return "random", RandomPlayer(env)


def _file_name(env_id: str, player: str, seed: int) -> str:
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", env_id).strip("-.")
    return f"runs/watch/{plain}-{player}-{seed}.mp4"


def as_text(result: dict[str, Any]) -> str:
    """The episodes for people, one line each."""
    ends = {True: "success", False: "failure", None: "-"}
    lines = [f"{result['env']}, played by: {result['player']}"]
    for number, episode in enumerate(result["episodes"], 1):
        told = f'   "{shown(episode["instruction"], 120)}"' if episode["instruction"] else ""
        end = ends[episode["is_success"]] if episode["is_whole"] else "cut short"
        lines.append(
            f"  episode {number}   {end:9}  return {episode['total_return']:.3f}   {episode['steps']} steps{told}"
        )
        lines += [f"  {'':11}  {sense} unplugged from step {step} on" for sense, step in episode["unplugged"].items()]
    if result["chosen_of"] and result["success_rate"] is not None:
        low, high = result["success_interval"]
        lines.append(
            f"  chosen of {result['chosen_of']} held-out episodes: success {result['success_rate']:.3f} "
            f"(95 %: {low:.3f} to {high:.3f})"
        )
    return "\n".join([*lines, f"video   {result['video']}"])
