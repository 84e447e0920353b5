"""Plays whole episodes in a batch of ours: each row its own seed, and each row's first episode alone is counted.

A row (seed, 0) lives the life that a single environment lives with that seed, so the results are those of
`run_episodes` over single environments.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .episodes import ActionChooser, Episodes, held_out_seed

if TYPE_CHECKING:
    from ...envs.rooms.vector_env import RoomsVectorEnv


def play_batches(
    choose: ActionChooser,
    env: "RoomsVectorEnv",
    episodes: int,
    seed_set: int,
    on_episode: Callable[[], None],
) -> Episodes:
    """Plays `episodes` whole episodes, `env.num_envs` at a time.

    Args:
        choose: chooses the actions.
        env: the batch; its rows beyond the last episode idle.
        episodes: how many.
        seed_set: which set of held-out seeds.
        on_episode: called after each episode.
    """
    returns, lengths = np.zeros(episodes), np.zeros(episodes, np.int64)
    successes: list[bool | None] = [None] * episodes
    began = time.monotonic()
    for first in range(0, episodes, env.num_envs):
        observation, _ = env.reset(seed=[held_out_seed(seed_set, first + row) for row in range(env.num_envs)])
        playing = np.arange(min(env.num_envs, episodes - first))
        actions, is_new = np.zeros(env.num_envs, np.int64), True
        while len(playing):
            rows = slice(None) if len(playing) == env.num_envs else playing
            seen = {name: tensor[rows].cpu().numpy() for name, tensor in observation.items()}
            actions[playing] = choose(seen, (first + playing).tolist(), np.full(len(playing), is_new))
            observation, rewards, terminated, truncated, infos = env.step(actions)
            lengths[first + playing] += 1
            returns[first + playing] += rewards.cpu().numpy()[playing]
            is_over = (terminated | truncated).cpu().numpy()[playing]
            is_new = False
            if is_over.any():
                solved = infos["is_success"].cpu().numpy()
                for row in playing[is_over]:
                    successes[first + row] = bool(solved[row])
                    on_episode()
                choose.keep(np.flatnonzero(~is_over).tolist())
                playing = playing[~is_over]
    return Episodes(returns, lengths, successes, time.monotonic() - began)
