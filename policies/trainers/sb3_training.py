"""`SB3Training`: stable-baselines3's PPO and sb3-contrib's RecurrentPPO as a training.

What SB3 keeps of an episode under way are private attributes of its models; this is the one file that touches them.
"""

from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

from ..policy import SensePolicy
from ..ppo.learner import Underway
from ..ppo.sources import StepOutcome
from ..presets import PPOPreset, ppo_settings, recurrent_ppo_settings
from ..trainer import Setup
from .model_training import ModelTraining


class SB3Training(ModelTraining):
    """A training of stable-baselines3's PPO, whose environments are restarted at each checkpoint."""

    model: PPO | RecurrentPPO
    model_counts_episodes: ClassVar[bool] = False

    def _make_model(self, setup: Setup, ppo: PPOPreset) -> PPO | RecurrentPPO:
        environments = cast(VecEnv, setup.environments)
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
