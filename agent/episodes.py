"""Runs a policy through whole episodes on held-out seeds, many side by side, and counts what came of each.

Episode i starts from its own seed, whatever the number of environments. No learning, no files, no words.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from jaxtyping import Float, Int
from stable_baselines3.common.policies import BasePolicy

from ..perception.errors import ConfigError
from ..perception.spec import PRESENT, Spec

FIRST_HELD_OUT_SEED = 1_000_000_000
SEEDS_PER_SET = 1_000_000
LONGEST_EPISODE = 27_000
"""Steps after which an episode is broken off and counts as a failure, for environments that never end one."""


@dataclasses.dataclass(frozen=True)
class Episodes:
    """What came of some episodes; entry i belongs to the i-th held-out seed."""

    returns: Float[np.ndarray, " e"]
    lengths: Int[np.ndarray, " e"]
    successes: list[bool | None]
    """None where the environment does not say what success is."""
    seconds: float

    @property
    def success_rate(self) -> float | None:
        """The share of successes; None where success is not defined."""
        known = [success for success in self.successes if success is not None]
        return sum(known) / len(known) if known else None

    @property
    def success_interval(self) -> tuple[float, float] | None:
        """A 95 % Wilson interval of the success rate."""
        known = [success for success in self.successes if success is not None]
        return wilson_interval(sum(known), len(known)) if known else None


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    z = 1.959963984540054
    share, weight = successes / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / trials + weight / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def held_out_seed(seed_set: int, episode: int) -> int:
    """The seed of an evaluation episode; training never uses it."""
    return FIRST_HELD_OUT_SEED + SEEDS_PER_SET * seed_set + episode


def require_senses(names: Sequence[str], senses: Spec) -> None:
    """Checks that each name is a sense, and that one of them is not named twice.

    Raises:
        ConfigError: it is not.
    """
    senses.present(*names)  # raises for an unknown one
    if len(set(names)) < len(names):
        raise ConfigError(f"`without` must name each sense once; got {' '.join(names)}.")


@torch.no_grad()
def run_episodes(
    policy: BasePolicy,
    envs: Sequence[gymnasium.Env[Any, Any]],
    episodes: int,
    *,
    seed_set: int = 0,
    greedy: bool = False,
    without: Sequence[str] = (),
    on_episode: Callable[[], None] = lambda: None,
) -> Episodes:
    """Plays `episodes` whole episodes.

    Args:
        policy: an SB3 policy, recurrent or not.
        envs: environments of one kind; more of them are faster, and change nothing but which rows share a batch.
        episodes: how many.
        seed_set: which set of held-out seeds.
        greedy: take the most probable action instead of a sampled one.
        without: senses that are taken away.
        on_episode: called after each episode.

    Raises:
        ObservationError: `without` names a sense that is not there.
    """
    senses: Spec = envs[0].get_wrapper_attr("senses")
    require_senses(without, senses)
    kept = senses.present(*without)
    returns, lengths = np.zeros(episodes), np.zeros(episodes, np.int64)
    successes: list[bool | None] = [None] * episodes
    playing = [_Seat(env, number) for number, env in enumerate(envs[:episodes])]
    following = len(playing)
    for seat in playing:
        seat.start(held_out_seed(seed_set, seat.episode))
    began, memory = time.monotonic(), None
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if policy.device.type == "cuda" else []):
        torch.manual_seed(seed_set)
        while playing:
            batch = {key: np.stack([seat.observation[key] for seat in playing]) for key in playing[0].observation}
            batch[PRESENT] = batch[PRESENT] * kept
            starts = np.array([seat.is_new for seat in playing])
            actions, memory = policy.predict(batch, memory, starts, deterministic=greedy)
            stay = []
            for row, seat in enumerate(playing):
                if not seat.step(actions[row]):
                    stay.append(row)
                    continue
                i = seat.episode
                returns[i], lengths[i], successes[i] = seat.total, seat.steps, seat.success
                on_episode()
                if following < episodes:
                    seat.episode, following = following, following + 1
                    seat.start(held_out_seed(seed_set, seat.episode))
                    stay.append(row)
            if len(stay) < len(playing):
                playing = [playing[row] for row in stay]
                memory = None if memory is None else tuple(part[:, stay] for part in memory)
    return Episodes(returns, lengths, successes, time.monotonic() - began)


class _Seat:
    """One environment and the episode that it plays now."""

    def __init__(self, env: gymnasium.Env[Any, Any], episode: int) -> None:
        self.env, self.episode = env, episode

    def start(self, seed: int) -> None:
        self.observation, self.info = self.env.reset(seed=seed)
        self.is_new, self.total, self.steps = True, 0.0, 0
        self.success: bool | None = None

    def step(self, action: Any) -> bool:
        """Takes one step; True when the episode is over."""
        self.observation, reward, terminated, truncated, self.info = self.env.step(action)
        self.is_new, self.total, self.steps = False, self.total + float(reward), self.steps + 1
        is_over = bool(terminated or truncated) or self.steps >= LONGEST_EPISODE
        if is_over and self.info.get("is_success") is not None:
            self.success = bool(self.info["is_success"])
        return is_over
