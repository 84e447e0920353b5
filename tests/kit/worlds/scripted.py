"""A foreign environment that says what a test tells it to: any space, any value, any action space."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class ScriptedWorld(gym.Env[Any, Any]):
    """Emits given observations, one a step, the last one again and again, and keeps the actions that it got.

    Args:
        space: of the observations.
        *observations: what is emitted; samples of the space where there is none.
        actions: its action space.
        reward: of every step.
        info: at every step.
        ends_after: steps of an episode.
    """

    def __init__(
        self,
        space: spaces.Space[Any],
        *observations: Any,
        actions: spaces.Space[Any] | None = None,
        reward: Any = 0.5,
        info: dict[str, Any] | None = None,
        ends_after: int = 10**9,
    ) -> None:
        self.observation_space = space
        self.action_space = spaces.Discrete(3) if actions is None else actions
        self.observations, self.reward, self.info, self.ends_after = observations, reward, info or {}, ends_after
        self.taken: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.step_count = 0
        return self._observe(), dict(self.info)

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        self.taken.append(action)
        self.step_count += 1
        return self._observe(), self.reward, self.step_count >= self.ends_after, False, dict(self.info)

    def _observe(self) -> Any:
        if not self.observations:
            return self.observation_space.sample()
        return self.observations[min(self.step_count, len(self.observations) - 1)]


RGB = spaces.Box(0, 255, (24, 32, 3), np.uint8)
JOINTS = spaces.Box(-1, 1, (3,), np.float32)
TEXT = spaces.Text(64, charset="abcdefghijklmnopqrstuvwxyz :")
