"""Runs a policy through whole episodes on held-out seeds, many side by side, and counts what came of each.

Episode i starts from its own seed, and its sampled actions come from random numbers of its own, so that the number of
environments changes nothing but the speed. No learning, no files, no words.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from stable_baselines3.common.policies import BasePolicy

from ...perception.errors import ConfigError
from ...perception.spec import PRESENT, Spec
from ...policies.export import ExportedPolicy
from ...policies.heads import probabilities, samples_each_row_alone, senses_of
from ...policies.saving.random_state import cuda_devices
from .chance import Difference, unpaired_difference, wilson_interval
from .fitting import fitted

if TYPE_CHECKING:
    from ...envs.rooms.vector_env import RoomsVectorEnv

FIRST_HELD_OUT_SEED = 1_000_000_000
SEEDS_PER_SET = 1_000_000
NEVER = -1
MAX_EPISODE_STEPS = 27_000
"""Steps after which an episode is broken off and counts as a failure, for environments that never end one."""


OnChoice = Callable[
    [dict[str, np.ndarray], Sequence[int], Bool[np.ndarray, " b"], tuple[np.ndarray, ...] | None, np.ndarray], object
]
"""Told of b rows: observation, episodes, which of them begin, the memory carried so far (parts 1 b s), and actions."""


@dataclasses.dataclass(frozen=True)
class Episodes:
    """What came of some episodes; entry i belongs to the i-th held-out seed."""

    returns: Float[np.ndarray, " e"]
    lengths: Int[np.ndarray, " e"]
    successes: list[bool | None]
    """None where the environment does not say what success is."""
    seconds: float
    first_sights: Int[np.ndarray, " e"] | None = None
    """Steps done when what is meant was in view for the first time, NEVER where it was not; None where nobody says."""

    kinds: list[str] | None = None
    """Of each episode's instruction; None where all are of one kind."""

    were_truncated: Bool[np.ndarray, " e"] | None = None
    """Whether a limit ended it, and not what was done; None where nobody kept that."""

    @property
    def success_by_kind(self) -> dict[str, float]:
        """The share of successes among the instructions of each kind; {} where all are of one."""
        return {kind: sum(solved) / len(solved) for kind, solved in self._by_kind.items()}

    @property
    def interval_by_kind(self) -> dict[str, tuple[float, float]]:
        """The 95 % Wilson interval of each share in `success_by_kind`."""
        return {kind: wilson_interval(sum(solved), len(solved)) for kind, solved in self._by_kind.items()}

    @property
    def differences_by_kind(self) -> dict[str, Difference]:
        """For each kind, by how much its success is above that of all others; of two kinds for the first alone."""
        parts = self._by_kind
        if len(parts) < 2:
            return {}
        told = list(parts)[: 1 if len(parts) == 2 else None]
        others = {kind: [won for name, part in parts.items() if name != kind for won in part] for kind in told}
        return {kind: unpaired_difference(parts[kind], others[kind]) for kind in told}

    @property
    def _by_kind(self) -> dict[str, list[bool]]:
        by_kind: dict[str, list[bool]] = {}
        told = () if self.kinds is None else zip(self.kinds, self.successes, strict=True)
        for kind, success in told:
            by_kind.setdefault(kind, []).append(bool(success))
        return dict(sorted(by_kind.items()))

    @property
    def searches(self) -> dict[str, float | None]:
        """How the search went; {} where nobody says.

        "failures_that_saw_it" is the share of the failures in which what is meant was in view at some time,
        "steps_from_sight" the median of the steps from there to the end in the successes; None where there are none.
        """
        if self.first_sights is None:
            return {}
        was_seen, solved = self.first_sights != NEVER, np.array([success is True for success in self.successes])
        steps = (self.lengths - self.first_sights)[solved & was_seen]
        return {
            "failures_that_saw_it": float(was_seen[~solved].mean()) if (~solved).any() else None,
            "steps_from_sight": float(np.median(steps)) if len(steps) else None,
        }

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


def run_episodes(
    policy: BasePolicy | ExportedPolicy,
    envs: "Sequence[gymnasium.Env[Any, Any]] | RoomsVectorEnv",
    episodes: int,
    *,
    seed_set: int = 0,
    greedy: bool = False,
    without: Sequence[str] = (),
    on_episode: Callable[[], None] = lambda: None,
    on_choice: OnChoice | None = None,
    max_steps: int = MAX_EPISODE_STEPS,
) -> Episodes:
    """Plays `episodes` whole episodes.

    Args:
        policy: an SB3 policy, recurrent or not, or one that was exported.
        envs: environments of one kind, or a batch of them; more are faster.
        episodes: how many.
        seed_set: which set of held-out seeds.
        greedy: take the most probable action instead of a sampled one.
        without: senses that are taken away.
        on_episode: called after each episode.
        on_choice: called after each choice of actions, see `OnChoice`.
        max_steps: after which an episode of environments one by one is broken off.

    Raises:
        ObservationError: `without` names a sense that is not there.
    """
    own: Spec = envs[0].get_wrapper_attr("senses") if isinstance(envs, Sequence) else envs.senses
    senses = senses_of(policy) or own
    require_senses(without, senses)
    choose = ActionChooser(policy, seed_set, greedy=greedy, kept=senses.present(*without), on_choice=on_choice)
    with torch.random.fork_rng(devices=cuda_devices()):
        torch.manual_seed(seed_set)
        if isinstance(policy, ExportedPolicy):
            policy.seed(seed_set)
        if isinstance(envs, Sequence):
            return _play_one_by_one(choose, envs, episodes, seed_set, on_episode, min(max_steps, MAX_EPISODE_STEPS))
        return _play_batches(choose, envs, episodes, seed_set, on_episode)


class ActionChooser:
    """Asks a policy for the actions of some episodes that run side by side.

    A sampled action of a discrete policy without memory is drawn by its episode's own random numbers. Other policies
    draw from torch's generator, and there the rows of a batch share one stream.

    Args:
        policy: an SB3 policy.
        seed_set: which set of held-out seeds.
        greedy: take the most probable action.
        kept: the `present` mask of the policy's senses that are not taken away.
        on_choice: called after each choice of actions.
    """

    def __init__(
        self,
        policy: BasePolicy | ExportedPolicy,
        seed_set: int,
        *,
        greedy: bool,
        kept: np.ndarray,
        on_choice: OnChoice | None = None,
    ) -> None:
        self.policy, self._seed_set, self._greedy, self._kept = policy, seed_set, greedy, kept
        self._on_choice, self._senses = on_choice, senses_of(policy)
        self._draws_itself = not greedy and samples_each_row_alone(policy)
        self._generators: dict[int, np.random.Generator] = {}
        self._memory: Any = None

    @torch.no_grad()
    def __call__(
        self, observation: dict[str, np.ndarray], episodes: Sequence[int], is_new: Bool[np.ndarray, " b"]
    ) -> np.ndarray:
        """Chooses an action for each row.

        Args:
            observation: b rows.
            episodes: the number of the episode in each row.
            is_new: whether the row's episode begins.
        """
        observation = fitted(observation, self._senses)
        observation |= {PRESENT: observation[PRESENT] * self._kept}
        carried = self._memory
        actions = self._choose(observation, episodes, is_new)
        if self._on_choice is not None:
            self._on_choice(observation, episodes, is_new, carried, actions)
        return actions

    def _choose(
        self, observation: dict[str, np.ndarray], episodes: Sequence[int], is_new: Bool[np.ndarray, " b"]
    ) -> np.ndarray:
        if not self._draws_itself:
            actions, self._memory = self.policy.predict(observation, self._memory, is_new, deterministic=self._greedy)
            return actions
        bounds = probabilities(self.policy, observation).cumsum(axis=1)
        for episode in np.asarray(episodes)[is_new]:
            self._generators[episode] = np.random.default_rng([self._seed_set, episode])
        drawn = np.array([self._generators[episode].random() for episode in episodes])
        chosen = (drawn[:, None] >= bounds).sum(axis=1)
        return np.minimum(chosen, bounds.shape[1] - 1)

    def keep(self, rows: Sequence[int]) -> None:
        """From now on only these rows are played; where none is left, others begin without a memory."""
        if self._memory is not None:
            self._memory = tuple(part[:, rows] for part in self._memory) if len(rows) else None


def _play_one_by_one(
    choose: ActionChooser,
    envs: Sequence[gymnasium.Env[Any, Any]],
    episodes: int,
    seed_set: int,
    on_episode: Callable[[], None],
    max_steps: int,
) -> Episodes:
    returns, lengths = np.zeros(episodes), np.zeros(episodes, np.int64)
    successes: list[bool | None] = [None] * episodes
    were_truncated = np.zeros(episodes, np.bool_)
    broken_off: list[int] = []
    playing = [_Seat(env, number, max_steps) for number, env in enumerate(envs[:episodes])]
    following = len(playing)
    for seat in playing:
        seat.start(held_out_seed(seed_set, seat.episode))
    began = time.monotonic()
    while playing:
        batch = {key: np.stack([seat.observation[key] for seat in playing]) for key in playing[0].observation}
        starts = np.array([seat.is_new for seat in playing])
        actions = choose(batch, [seat.episode for seat in playing], starts)
        stay = []
        for row, seat in enumerate(playing):
            if not seat.step(actions[row]):
                stay.append(row)
                continue
            i = seat.episode
            returns[i], lengths[i], successes[i] = seat.total, seat.steps, seat.success
            were_truncated[i] = seat.was_truncated
            broken_off += [i] if seat.was_broken_off else []
            on_episode()
            if following < episodes:
                seat.episode, following = following, following + 1
                seat.start(held_out_seed(seed_set, seat.episode))
                stay.append(row)
        if len(stay) < len(playing):
            playing = [playing[row] for row in stay]
            choose.keep(stay)
    if any(success is not None for success in successes):  # the environment knows what success is
        for i in broken_off:
            successes[i] = bool(successes[i])
    return Episodes(returns, lengths, successes, time.monotonic() - began, were_truncated=were_truncated)


def _play_batches(
    choose: ActionChooser,
    env: "RoomsVectorEnv",
    episodes: int,
    seed_set: int,
    on_episode: Callable[[], None],
) -> Episodes:
    """Plays `episodes` whole episodes, `env.num_envs` at a time: each row its own seed, and its first episode counts.

    A row (seed, 0) lives the life that a single environment lives with that seed, so the results are the same.

    Args:
        choose: chooses the actions.
        env: the batch; its rows beyond the last episode idle.
        episodes: how many.
        seed_set: which set of held-out seeds.
        on_episode: called after each episode.
    """
    returns, lengths = np.zeros(episodes), np.zeros(episodes, np.int64)
    successes: list[bool | None] = [None] * episodes
    first_sights, were_truncated = np.full(episodes, NEVER, np.int64), np.zeros(episodes, np.bool_)
    began, in_view = time.monotonic(), None
    of_mission, kinds = env.simulation.level.mission_kinds, list[str]()
    for first in range(0, episodes, env.num_envs):
        observation, _ = env.reset(seed=[held_out_seed(seed_set, first + row) for row in range(env.num_envs)])
        playing = np.arange(min(env.num_envs, episodes - first))
        if of_mission:
            kinds += [of_mission[mission] for mission in env.state.mission[: len(playing)].tolist()]
        actions, is_new = np.zeros(env.num_envs, np.int64), True
        while len(playing):
            in_view = env.sees_target()
            if in_view is not None:
                sees = playing[in_view.cpu().numpy()[playing] & (first_sights[first + playing] == NEVER)]
                first_sights[first + sees] = lengths[first + sees]
            rows = slice(None) if len(playing) == env.num_envs else playing
            seen = {name: tensor[rows].cpu().numpy() for name, tensor in observation.items()}
            actions[playing] = choose(seen, (first + playing).tolist(), np.full(len(playing), is_new))
            observation, rewards, terminated, truncated, infos = env.step(actions)
            lengths[first + playing] += 1
            returns[first + playing] += rewards.cpu().numpy()[playing]
            is_over = (terminated | truncated).cpu().numpy()[playing]
            is_new = False
            if is_over.any():
                solved, is_cut = infos["is_success"].cpu().numpy(), (truncated & ~terminated).cpu().numpy()
                for row in playing[is_over]:
                    successes[first + row] = bool(solved[row])
                    were_truncated[first + row] = is_cut[row]
                    on_episode()
                choose.keep(np.flatnonzero(~is_over).tolist())
                playing = playing[~is_over]
    sights = None if in_view is None else first_sights
    return Episodes(returns, lengths, successes, time.monotonic() - began, sights, kinds or None, were_truncated)


class _Seat:
    """One environment and the episode that it plays now."""

    def __init__(self, env: gymnasium.Env[Any, Any], episode: int, max_steps: int) -> None:
        self.env, self.episode, self._max_steps = env, episode, max_steps

    def start(self, seed: int) -> None:
        self.observation, self.info = self.env.reset(seed=seed)
        self.is_new, self.total, self.steps = True, 0.0, 0
        self.success: bool | None = None
        self.was_broken_off = self.was_truncated = False

    def step(self, action: Any) -> bool:
        """Takes one step; True when the episode is over."""
        self.observation, reward, terminated, truncated, self.info = self.env.step(action)
        self.is_new, self.total, self.steps = False, self.total + float(reward), self.steps + 1
        is_over = bool(terminated or truncated)
        self.was_broken_off = not is_over and self.steps >= self._max_steps
        self.was_truncated = self.was_broken_off or not terminated
        is_over |= self.was_broken_off
        if is_over and self.info.get("is_success") is not None:
            self.success = bool(self.info["is_success"])
        return is_over
