"""Takes: episodes that were played with nobody watching, so that some can be chosen and played again before a camera.

A take keeps what was done. The same environment, begun with the same seed, does the same again.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.policies import BasePolicy

from ...perception.spec import PRESENT
from ...policies.export import ExportedPolicy
from .environments import close_envs, is_batched, make_envs
from .episodes import held_out_seed, run_episodes
from .players import Player

BATCHED_TAKES, TAKES = 48, 24
"""How many episodes are played to choose from: in the batched simulator, and elsewhere."""

MAX_STEPS = 1000
"""Steps after which a take is broken off where no environment ends it."""


@dataclasses.dataclass(frozen=True)
class Take:
    """One episode that was played.

    Args:
        seed: that the environment was begun with.
        actions: what was done, step by step.
        total_return: the sum of its rewards.
        is_success: None where success is not defined.
        is_out_of_time: a limit ended it, and not what was done.
        kind: of its instruction, in a word; None where all are of one kind.
    """

    seed: int
    actions: Sequence[Any]
    total_return: float
    is_success: bool | None
    is_out_of_time: bool
    kind: str | None = None

    @property
    def steps(self) -> int:
        return len(self.actions)


def kind_of(env: gymnasium.Env[Any, Any]) -> str | None:
    """The kind of the instruction that an environment gave last, "look", say; None where it has none."""
    simulation: Any = getattr(env.unwrapped, "simulation", None)
    if simulation is None:
        return None
    kinds = simulation.level.mission_kinds
    return kinds[int(simulation.state.mission[0])] if kinds else None


def take_many(
    policy: BasePolicy | ExportedPolicy,
    env_id: str,
    options: dict[str, Any],
    *,
    seed_set: int = 0,
    greedy: bool = False,
    without: Sequence[str] = (),
) -> list[Take]:
    """Held-out episodes of a policy, side by side: the same that an evaluation plays first.

    Args:
        policy: who plays.
        env_id: as `senseweave envs` lists it.
        options: of the environment.
        seed_set: which set of held-out seeds.
        greedy: take the most probable action.
        without: senses that are gone throughout.
    """
    count = BATCHED_TAKES if is_batched(env_id) else TAKES
    actions: list[list[Any]] = [[] for _ in range(count)]

    def note(observation: Any, episodes: Sequence[int], is_new: Any, memory: Any, chosen: np.ndarray) -> None:
        for episode, action in zip(episodes, chosen, strict=True):
            actions[episode].append(np.array(action))

    how: dict[str, Any] = {"seed_set": seed_set, "greedy": greedy, "without": without}
    envs = make_envs(env_id, options, count, None, policy.device)
    policy.set_training_mode(False)
    try:
        played = run_episodes(policy, envs, count, on_choice=note, max_steps=MAX_STEPS, **how)
    finally:
        close_envs(envs)
    was_cut = np.zeros(count, np.bool_) if played.were_truncated is None else played.were_truncated
    return [
        Take(
            held_out_seed(seed_set, i),
            actions[i],
            float(played.returns[i]),
            played.successes[i],
            bool(was_cut[i]),
            None if played.kinds is None else played.kinds[i],
        )
        for i in range(count)
    ]


def take_one(
    player: Player,
    env: gymnasium.Env[Any, Any],
    seed: int,
    *,
    opening: Sequence[Any] = (),
    gone_from: Mapping[str, int] | None = None,
) -> Take:
    """One episode of any player.

    Args:
        player: who plays.
        env: where.
        seed: to begin with.
        opening: actions of the first steps, whatever the player would do.
        gone_from: sense -> the step from which on it is absent.
    """
    senses, gone = env.get_wrapper_attr("senses"), gone_from or {}
    observation, info = env.reset(seed=seed)
    player.start(seed)
    kind, actions, total, terminated, truncated = kind_of(env), [], 0.0, False, False
    while not (terminated or truncated) and len(actions) < MAX_STEPS:
        step = len(actions)
        kept = senses.present(*(name for name, begin in gone.items() if step >= begin))
        observation[PRESENT] = observation[PRESENT] * kept
        action = player.act(observation).action
        actions.append(opening[step] if step < len(opening) else action)
        observation, reward, terminated, truncated, info = env.step(actions[-1])
        total += float(reward)
    success = info.get("is_success")
    return Take(seed, actions, total, None if success is None else bool(success), not terminated, kind)
