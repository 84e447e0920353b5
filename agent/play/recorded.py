"""One episode that is played, as a dataset keeps it: what was sensed, done and earned at each step."""

from typing import Any

import gymnasium
import numpy as np

from ...envs.contract import text_in
from ...envs.datasets import DatasetFacts, Episode
from .episodes import MAX_EPISODE_STEPS
from .players import Player


def facts_of(env: gymnasium.Env[Any, Any], env_id: str) -> DatasetFacts:
    """What holds for all episodes of an environment that emits the contract."""
    return DatasetFacts(
        env.get_wrapper_attr("senses"),
        env.action_space,
        tuple(env.get_wrapper_attr("action_names")),
        float(env.get_wrapper_attr("step_s")),
        env_id,
    )


def play_recorded(player: Player, env: gymnasium.Env[Any, Any], facts: DatasetFacts, seed: int, actor: str) -> Episode:
    """Plays an episode, and keeps all of it, the observation after the last action too.

    Args:
        player: who plays.
        env: where.
        facts: see `facts_of`.
        seed: of the episode.
        actor: what the dataset calls the player.

    Returns:
        The episode. One that never ends is cut off after `MAX_EPISODE_STEPS`.
    """
    observation, info = env.reset(seed=seed)
    player.start(seed)
    seen, texts = [observation], [_text(facts, info)]
    done: list[Any] = []
    rewards: list[float] = []
    terminated = truncated = False
    while not (terminated or truncated) and len(done) < MAX_EPISODE_STEPS:
        action = player.act(observation).action
        observation, reward, terminated, truncated, info = env.step(action)
        seen.append(observation)
        texts.append(_text(facts, info))
        done.append(np.asarray(action))
        rewards.append(float(reward))
    success = info.get("is_success")
    return Episode.of(
        facts,
        {name: np.stack([each[name] for each in seen]) for name in observation},
        np.stack(done),
        rewards,
        terminated=bool(terminated),
        truncated=bool(truncated),
        success=None if success is None else bool(success),
        texts=texts,
        actors=actor,
        seed=seed,
    )


def _text(facts: DatasetFacts, info: dict[str, Any]) -> str:
    texts = (text_in(info, name) for name in facts.spec.texts())
    return next((text for text in texts if text), "")
