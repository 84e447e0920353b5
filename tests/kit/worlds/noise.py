"""A small Gymnasium environment for tests: any action space, rewards that actions decide, time limits that cut off."""

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

ACTION_SPACES = {
    "Discrete": spaces.Discrete(3),
    "MultiDiscrete": spaces.MultiDiscrete([3, 2]),
    "MultiBinary": spaces.MultiBinary(3),
    "Box": spaces.Box(-0.5, 0.5, (2,), np.float32),
}


class Noise(gymnasium.Env):
    """Three random numbers are seen; the reward grows with the first number times the sum of the action.

    Every fifth number ends the episode or so, and a time limit cuts off after seven steps.
    """

    observation_space = spaces.Box(-3, 3, (3,), np.float32)

    def __init__(self, actions="Discrete"):
        self.action_space = ACTION_SPACES[actions]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 7
        return self._look(), {}

    def step(self, action):
        if isinstance(self.action_space, spaces.Box) and not self.action_space.contains(np.asarray(action)):
            raise ValueError(f"{action} is no action")
        self.left -= 1
        reward = float(self.seen[0] * np.sum(action)) + 0.5
        ends = bool(self.np_random.random() < 0.1)
        return self._look(), reward, ends, self.left == 0 and not ends, {"is_success": reward > 0.5}

    def _look(self):
        self.seen = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return self.seen


def noises(actions="Discrete", number=4):
    """Such environments as SB3 has them, each in a Monitor."""
    return DummyVecEnv([lambda: Monitor(Noise(actions))] * number)
