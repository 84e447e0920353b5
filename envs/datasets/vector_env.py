"""`DatasetVectorEnv`: a dataset played back as a vector environment of tensors, whose expert is who acted then.

It lets whatever learns in environments beside an expert learn from a dataset: actions that are given are ignored, and
`expert_actions` are those of the recording. Every row plays one episode after the other, in an order that is drawn anew
each time all have been played. Where it stands is kept by `get_state`, so that a training resumes bit for bit.

b rows, m senses, e episodes
"""

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from jaxtyping import Bool
from torch import Tensor

from ...perception.checks import require_number, require_whole
from ...perception.errors import ConfigError
from ...perception.spec import PRESENT
from .episode import Episode
from .episodes import Episodes
from .errors import DatasetError

KEPT_BYTES = 2**30
"""So much of a dataset stays in memory once it was read."""

_ORDER, _GONE = 1, 2
"""Keep the random numbers of the order of the episodes apart from those of the senses that are left out."""


class DatasetVectorEnv(VectorEnv[Any, Any, Any]):
    """Plays a dataset.

    Args:
        episodes: all of them have actions.
        num_envs: b.
        modality_dropout: fraction of the episodes in which a sense is missing, each sense by itself, 0..1.
        device: of the tensors.
        seed: of the order and of the senses that are left out, until `reset` gives another.

    Attributes:
        senses, action_names, step_s: the dataset's.
        has_rewards: whether the rewards of the first episode are known; unknown ones are 0 here.
        played: episodes that have ended.

    Raises:
        ConfigError: a number is out of its range.
        DatasetError: there is no episode, or they have no actions.
    """

    metadata: ClassVar[dict[str, Any]] = {  # pyright: ignore[reportIncompatibleVariableOverride]
        "torch": True,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        episodes: Episodes,
        num_envs: int,
        *,
        modality_dropout: float = 0.0,
        device: torch.device | str = "cpu",
        seed: int = 0,
    ) -> None:
        require_whole("num_envs", num_envs, 1)
        require_number("modality_dropout", modality_dropout, at_least=0, below=1)
        if not len(episodes) or episodes.action_space is None:
            raise DatasetError(
                f"{episodes.source.where} holds no actions, so nobody can be imitated; record with a player that acts."
            )
        self.num_envs, self.device = num_envs, torch.device(device)
        self.senses, self.action_names, self.step_s = episodes.spec, episodes.action_names, episodes.step_s
        self.single_observation_space = self.senses.space()
        self.single_action_space = episodes.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.render_mode = None
        self._episodes, self._dropout, self._seed = episodes, modality_dropout, seed
        self._read: OrderedDict[int, Episode] = OrderedDict()
        self._held_bytes = 0
        self._order: tuple[int, int, np.ndarray] | None = None
        self.has_rewards = bool(np.isfinite(episodes[0].rewards).all())
        self._begin(seed)

    def _begin(self, seed: int) -> None:
        self._seed, self.played = seed, 0
        self._turns = np.arange(self.num_envs, dtype=np.int64)  # how many episodes had begun before that of a row
        self._steps = np.zeros(self.num_envs, np.int64)
        self._next = self.num_envs
        self._rows = [self._episode(turn) for turn in self._turns.tolist()]
        self._kept = np.stack([self._keeps(turn) for turn in self._turns.tolist()])

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Begins anew; with a seed, with another order of the episodes."""
        if seed is not None and not isinstance(seed, int):
            raise ConfigError("A dataset is played with one seed for all rows; got several.")
        self._begin(self._seed if seed is None else seed)
        return self.observe(), {}

    def step(self, actions: Any) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor, dict[str, Any]]:
        """Goes on by a step, whatever the actions are."""
        rewards = np.zeros(self.num_envs, np.float32)
        terminated, truncated, solved, tells = (np.zeros(self.num_envs, bool) for _ in range(4))
        for row, episode in enumerate(self._rows):
            step = self._steps[row]
            reward = episode.rewards[step]
            rewards[row] = reward if math.isfinite(reward) else 0.0
            self._steps[row] += 1
            if self._steps[row] < len(episode):
                continue
            terminated[row], truncated[row] = episode.terminated, not episode.terminated
            solved[row], tells[row] = bool(episode.success), episode.success is not None
            self._turns[row], self._next, self._steps[row] = self._next, self._next + 1, 0
            self._rows[row], self._kept[row] = self._episode(self._turns[row]), self._keeps(self._turns[row])
            self.played += 1
        infos: dict[str, Any] = {}
        if tells.any():
            infos = {"is_success": torch.as_tensor(solved), "_is_success": torch.as_tensor(tells)}
        parts = (torch.as_tensor(part, device=self.device) for part in (rewards, terminated, truncated))
        reward, ended, cut = parts
        return self.observe(), reward, ended, cut, infos

    def observe(self) -> dict[str, Tensor]:
        """What is sensed now."""
        seen: dict[str, Tensor] = {}
        places = list(zip(self._rows, self._steps, strict=True))
        for name in (*self.senses, PRESENT):
            part = np.stack([episode.observations[name][step] for episode, step in places])
            seen[name] = torch.as_tensor(part, device=self.device)
        if not self._kept.all():
            seen[PRESENT] &= torch.as_tensor(self._kept, dtype=torch.int8, device=self.device)
        return seen

    def expert_actions(self) -> Tensor:
        """What was done now, (b, ...)."""
        done = []
        for episode, step in zip(self._rows, self._steps, strict=True):
            if episode.actions is None:
                raise DatasetError(f"An episode of {self._episodes.source.where} has no actions; convert it without.")
            done.append(episode.actions[step])
        return torch.as_tensor(np.stack(done), device=self.device)

    def get_state(self) -> dict[str, Tensor]:
        """All that decides the future."""
        return {
            "turns": torch.as_tensor(self._turns.copy()),
            "steps": torch.as_tensor(self._steps.copy()),
            "next": torch.full((self.num_envs,), self._next),
            "seed": torch.full((self.num_envs,), self._seed),
            "played": torch.full((self.num_envs,), self.played),
        }

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from `get_state`.

        Raises:
            ConfigError: it is of another dataset or of another number of rows.
        """
        try:
            turns, steps = (state[name].cpu().numpy().astype(np.int64) for name in ("turns", "steps"))
            following, seed, played = (int(state[name][0]) for name in ("next", "seed", "played"))
            if turns.shape != (self.num_envs,) or steps.shape != turns.shape or (turns < 0).any():
                raise ValueError("it has other rows")
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise ConfigError(f"The state is not one of this dataset ({error}); resume with its own.") from error
        self._seed, self._next, self.played = seed, following, played
        self._turns, self._steps = turns, steps
        self._rows = [self._episode(turn) for turn in turns]
        if any(not 0 <= step < len(episode) for step, episode in zip(steps, self._rows, strict=True)):
            raise ConfigError("The state is not one of this dataset, whose episodes are shorter; resume with its own.")
        self._kept = np.stack([self._keeps(turn) for turn in turns])

    def _episode(self, turn: int) -> Episode:
        """The episode that begins as number `turn`: each time around, all of them in another order."""
        around, place = divmod(int(turn), len(self._episodes))
        if self._order is None or self._order[:2] != (self._seed, around):
            drawn = np.random.default_rng([self._seed, _ORDER, around]).permutation(len(self._episodes))
            self._order = (self._seed, around, drawn)
        number = int(self._order[2][place])
        if number not in self._read:
            episode = self._episodes[number]
            self._read[number] = episode
            self._held_bytes += _size(episode)
            while self._held_bytes > KEPT_BYTES and len(self._read) > 1:
                self._held_bytes -= _size(self._read.popitem(last=False)[1])
        self._read.move_to_end(number)
        return self._read[number]

    def _keeps(self, turn: int) -> Bool[np.ndarray, " m"]:
        """Which senses an episode is played with."""
        if not self._dropout:
            return np.ones(len(self.senses), bool)
        return np.random.default_rng([self._seed, _GONE, int(turn)]).random(len(self.senses)) >= self._dropout


def _size(episode: Episode) -> int:
    return sum(part.nbytes for part in episode.observations.values())
