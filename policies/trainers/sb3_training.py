"""`SB3Training`: stable-baselines3's PPO and sb3-contrib's RecurrentPPO as a training.

What SB3 keeps of an episode under way are private attributes of its models; this is the one file that touches them.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from ..extractor import perception_of
from ..policy import SensePolicy
from ..ppo.learner import Underway
from ..ppo.not_finite import log_not_finite
from ..ppo.rewards import require_finite_rewards
from ..ppo.sources import StepOutcome
from ..ppo.watchdog import Watchdog
from ..presets import PPOPreset, ppo_settings, recurrent_ppo_settings
from ..trainer import Setup
from .model_training import ModelTraining


class SB3Training(ModelTraining):
    """A training of stable-baselines3's PPO, whose environments are restarted at each checkpoint."""

    model: PPO | RecurrentPPO
    model_counts_episodes: ClassVar[bool] = False

    def _make_model(self, setup: Setup, ppo: PPOPreset) -> PPO | RecurrentPPO:
        environments = cast(VecEnv, setup.environments)
        if (watchdog := Watchdog.of(environments)) is not None:
            environments = _Watched(environments, watchdog)
        common: dict[str, Any] = {"seed": setup.job.seed, "device": setup.device}
        if setup.job.memory == "none":
            return PPO(SensePolicy, environments, **ppo_settings(setup.senses, setup.perception, ppo), **common)
        settings = recurrent_ppo_settings(setup.senses, setup.perception, ppo)
        return RecurrentPPO("MultiInputLstmPolicy", environments, **settings, **common)

    def restart(self, seed: int) -> None:
        self.environments.seed(seed)
        self.model._last_obs = self.environments.reset()  # type: ignore[assignment]
        self.model._last_episode_starts = np.ones(self.model.n_envs, dtype=bool)
        if isinstance(self.model, RecurrentPPO):
            states = cast(RNNStates, self.model._last_lstm_states)
            self.model._last_lstm_states = RNNStates(*(tuple(map(torch.zeros_like, pair)) for pair in states))

    def after_step(self, dones: NDArray[np.bool_]) -> None:
        self.model._episode_num += int(np.count_nonzero(dones))

    def look_at_rollout(self) -> None:
        rewards = torch.as_tensor(self.model.rollout_buffer.rewards)
        require_finite_rewards(rewards, self.steps // self.model.n_envs - len(rewards))
        seen = cast(Mapping[str, NDArray[Any]], self.model.rollout_buffer.observations)
        observations = {name: torch.as_tensor(part) for name, part in seen.items()}
        log_not_finite(self.logger, perception_of(self.policy), observations)

    @property
    def environments(self) -> VecEnv:
        """SB3 has wrapped them, to move the channels of frames, say."""
        return cast(VecEnv, self.model.get_env())

    @property
    def underway(self) -> Underway:
        device = self.model.device
        seen = cast(dict[str, NDArray[Any]], self.model._last_obs)
        observation = {name: torch.as_tensor(part, device=device) for name, part in seen.items()}
        return Underway(observation, None, torch.as_tensor(self.model._last_episode_starts, device=device))

    @underway.setter
    def underway(self, underway: Underway) -> None:
        self.model._last_obs = {name: part.cpu().numpy() for name, part in underway.observation.items()}
        self.model._last_episode_starts = underway.starts.cpu().numpy()

    def note_outcome(self, outcome: StepOutcome) -> None:
        dones = outcome.is_over.cpu().numpy()
        self.model._update_info_buffer(cast(Any, outcome.infos), dones)
        self.after_step(dones)


class _Watched(VecEnvWrapper):
    """Environments in processes, which a watchdog looks after."""

    def __init__(self, venv: VecEnv, watchdog: Watchdog) -> None:
        super().__init__(venv)
        self._watchdog = watchdog

    def reset(self) -> VecEnvObs:
        with self._watchdog.waiting():
            return self.venv.reset()

    def step_async(self, actions: NDArray[Any]) -> None:
        with self._watchdog.waiting():
            self.venv.step_async(actions)

    def step_wait(self) -> VecEnvStepReturn:
        with self._watchdog.waiting():
            return self.venv.step_wait()
