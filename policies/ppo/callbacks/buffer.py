"""`RolloutAsBuffer`: the rollout by the names, shapes and meanings of stable-baselines3's `RolloutBuffer`.

For callbacks, which read `model.rollout_buffer`. The trainer itself reads the tensors of `rollout.py`.

t steps, b environments, n samples
"""

from collections.abc import Generator
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.preprocessing import get_action_dim, get_obs_shape
from stable_baselines3.common.type_aliases import DictRolloutBufferSamples, RolloutBufferSamples
from torch import Tensor

from ....perception.errors import ConfigError
from ...policy import ONLY
from ..rollout import Rollout


class RolloutAsBuffer:
    """Arrays of a rollout, t b ..., made when somebody looks; what the rollout has not reached is 0.

    On a CPU the arrays of a whole rollout are the memory that is learned from, so that a callback may change them at
    its end, as in SB3. Of a rollout underway, and of one on another device, they are copies that cannot be written.
    `observations` are what the policy takes: sounds as features, tokens cut to the longest instruction.

    Args:
        rollout: shown.
        observation_space: of one environment.
        action_space: of one environment.
        gamma: discount.
        gae_lambda: see `Rollout.finish`.
    """

    def __init__(
        self,
        rollout: Rollout,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        gamma: float,
        gae_lambda: float,
    ) -> None:
        self._rollout = rollout
        self.observation_space, self.action_space = observation_space, action_space
        self.obs_shape: Any = get_obs_shape(observation_space)
        self.action_dim = get_action_dim(action_space)
        self.gamma, self.gae_lambda = gamma, gae_lambda

    @property
    def buffer_size(self) -> int:
        """T."""
        return self._rollout.steps

    @property
    def n_envs(self) -> int:
        """B."""
        return self._rollout.num_envs

    @property
    def device(self) -> torch.device:
        """Where the rollout is."""
        return self._rollout.device

    @property
    def pos(self) -> int:
        """Steps written so far."""
        return self._rollout.length

    @property
    def full(self) -> bool:
        """Whether all steps are written."""
        return self._rollout.length == self._rollout.steps

    def size(self) -> int:
        """Steps written so far."""
        return self._rollout.length

    @property
    def observations(self) -> NDArray[Any] | dict[str, NDArray[Any]]:
        """What was seen; a dict where it is one for the policy."""
        seen = {name: self._shown(part) for name, part in self._rollout.observations().items()}
        return seen.get(ONLY, cast(Any, seen))

    @property
    def actions(self) -> NDArray[Any]:
        """As the policy drew them, t b numbers."""
        if self._rollout.length == 0:
            return np.zeros((self.buffer_size, self.n_envs, self.action_dim), np.float32)
        actions = self._rollout.actions
        return self._shown(actions.flatten(2) if actions.ndim > 2 else actions[..., None])

    @property
    def rewards(self) -> NDArray[np.float32]:
        """With the values of what time limits cut off."""
        return self._shown(self._rollout.rewards)

    @property
    def episode_starts(self) -> NDArray[np.float32]:
        """1 at the first step of an episode."""
        return self._shown(self._rollout.starts).astype(np.float32)

    @property
    def values(self) -> NDArray[np.float32]:
        """As the policy judged."""
        return self._shown(self._rollout.values)

    @property
    def log_probs(self) -> NDArray[np.float32]:
        """Of the actions."""
        return self._shown(self._rollout.log_probs)

    @property
    def advantages(self) -> NDArray[np.float32]:
        """0 before the end of the rollout."""
        return self._shown(self._rollout.advantages if self._rollout.is_finished else None)

    @property
    def returns(self) -> NDArray[np.float32]:
        """0 before the end of the rollout."""
        return self._shown(self._rollout.returns if self._rollout.is_finished else None)

    def compute_returns_and_advantage(self, last_values: Any, dones: Any) -> None:
        """Works advantages and returns out once more, of rewards that were changed, say.

        Args:
            last_values: of the observation after the last step, b or b 1.
            dones: whether that one begins an episode, b.
        """
        starts = torch.as_tensor(dones, device=self.device).bool()
        values = torch.as_tensor(last_values, device=self.device).detach().float().flatten()
        self._rollout.finish(values, starts, self.gamma, self.gae_lambda)

    def get(self, batch_size: int | None = None) -> Generator[RolloutBufferSamples | DictRolloutBufferSamples]:
        """The samples in a random order, `batch_size` at a time, or all at once; drawn by numpy, as in SB3.

        Raises:
            ConfigError: the rollout is underway.
        """
        if not self.full:
            raise ConfigError(
                f"A rollout gives samples at its end; got {self.pos} of {self.buffer_size} steps. Wait for "
                "`on_rollout_end`."
            )
        rollout = self._rollout
        observations = {name: _flat(part) for name, part in rollout.observations().items()}
        actions = _flat(rollout.actions).reshape(-1, self.action_dim).float()
        parts = (rollout.values, rollout.log_probs, self._tensor("advantages"), self._tensor("returns"))
        figures = [_flat(part) for part in parts]
        order = np.random.permutation(self.buffer_size * self.n_envs)
        for begin in range(0, len(order), batch_size or len(order)):
            rows = torch.as_tensor(order[begin : begin + (batch_size or len(order))], device=self.device)
            seen = {name: part[rows] for name, part in observations.items()}
            rest = (actions[rows], *(part[rows] for part in figures))
            if ONLY in seen:
                yield RolloutBufferSamples(seen[ONLY], *rest)
            else:
                yield DictRolloutBufferSamples(seen, *rest)

    def _tensor(self, name: str) -> Tensor:
        return getattr(self._rollout, name) if self._rollout.is_finished else torch.zeros_like(self._rollout.values)

    def _shown(self, part: Tensor | None) -> Any:
        if part is None:
            part = torch.zeros_like(self._rollout.values)
        if self.full and part.device.type == "cpu":
            return part.numpy()
        array = np.zeros((self.buffer_size, *part.shape[1:]), part.cpu().numpy().dtype)
        array[: self.pos] = part[: self.pos].cpu().numpy()
        array.flags.writeable = False
        return array


def _flat(part: Tensor) -> Tensor:
    """Environment by environment, as SB3 lays its samples."""
    return part.transpose(0, 1).flatten(0, 1)
