"""`ModelTraining`: trains a PPO of ours or of stable-baselines3, after imitation where that is wanted.

What is learned is in the models and in `../imitation.py`; here stands what both trainings do in the same order: the
steps of the whole run, its figures, its episodes, and what a checkpoint keeps. b environments
"""

import abc
import dataclasses
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from gymnasium import spaces
from gymnasium.vector import VectorEnv
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.utils import safe_mean
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from ...perception.files import weights_of
from ..imitation import Imitator
from ..ppo.learner import Underway
from ..ppo.not_finite import log_not_finite
from ..ppo.sources import Environments, StepOutcome
from ..ppo.workers import Workers
from ..presets import PPOPreset
from ..processes import world_size
from ..saving import learner_state
from ..saving.checkpoint import Checkpoint
from ..trainer import Plan, Setup
from ..training import Callback, Learned, Training
from .settings import RESUMES_EXACTLY, imitation_of, ppo_of


class ModelTraining(Training):
    """A training whose learner is a model with stable-baselines3's interface.

    Args:
        setup: what it is built from.
        plan: its steps.

    Attributes:
        model: the learner.
        model_counts_episodes: whether the learner counts the episodes that end by itself.
    """

    model_counts_episodes: ClassVar[bool] = True

    def __init__(self, setup: Setup, plan: Plan) -> None:
        self._job, self._plan, self.settings = setup.job, plan, dict(setup.settings)
        self._expert: Callable[[], Any] | None = setup.find_expert() if plan.imitation else None
        ppo = ppo_of(self.settings)
        self._entropy = ppo.ent_coef
        # SB3 counts its progress over all steps, imitation included; where PPO begins, the rate must be the preset's.
        rate = ppo.learning_rate * plan.total / max(1, plan.learning)
        self.model = self._make_model(setup, dataclasses.replace(ppo, learning_rate=rate))
        self.policy: Any = self.model.policy
        self._is_imitating, self._agreement = False, ""
        self.settings[RESUMES_EXACTLY] = self.resumes_exactly
        self._learns_since_ns, self._learns_from = 0, 0

    @abc.abstractmethod
    def _make_model(self, setup: Setup, ppo: PPOPreset) -> Any:
        """The learner, with random weights."""

    @property
    def steps(self) -> int:
        return self.model.num_timesteps

    @steps.setter
    def steps(self, steps: int) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self.model.num_timesteps = steps

    @property
    def steps_at_once(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.model.n_envs * world_size()

    @property
    def episodes(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.model._episode_num

    @property
    def logger(self) -> Logger:
        return self.model.logger

    @logger.setter
    def logger(self, logger: Logger) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self.model.set_logger(logger)

    @property
    def progress(self) -> str:
        if self._is_imitating:  # the success of episodes is the expert's as well, so it would mislead
            return f"imitates the expert{self._agreement}"
        if self.model.ep_success_buffer:
            return f"success {self.success_rate:.2f}"
        infos = self.model.ep_info_buffer
        return f"return {safe_mean([info['r'] for info in infos]):.2f}" if infos else "first episodes"

    @property
    def success_rate(self) -> float:
        return float(safe_mean(self.model.ep_success_buffer or []))

    def learn(self, steps: int, callback: Callback) -> None:
        self._learns_since_ns, self._learns_from = time.time_ns(), self.steps
        if self.steps < self._plan.imitation and not self._imitate(callback):
            return
        if self.steps < steps:
            forwarded = _Forwarded(self, callback)
            self.model.learn(steps - self.steps, callback=forwarded, reset_num_timesteps=False)

    def share_clock(self) -> None:
        """Has the model count `time/fps` as the run does: since this process began to learn, imitation included."""
        self.model.start_time, self.model._num_timesteps_at_start = self._learns_since_ns, self._learns_from

    def lower_entropy(self) -> None:
        """Lets the weight of the entropy fall linearly to 0 while PPO learns: it explores at first."""
        done = self.steps - self._plan.imitation
        self.model.ent_coef = self._entropy * max(0.0, 1.0 - done / max(1, self._plan.learning))

    def after_step(self, dones: Any) -> None:
        """Counts the episodes that end, unless `model_counts_episodes`; `dones` are (b,)."""

    def speeds(self) -> Mapping[str, float]:
        """Steps per second of each phase, by the logger's keys."""
        return {}

    def gradients_told(self) -> Mapping[str, float]:
        """What is told of the newest update's gradients, by the logger's keys."""
        return {}

    def look_at_rollout(self) -> None:
        """Called before a rollout is learned from, where the model does not look at it by itself.

        Raises:
            EnvironmentFault: a reward is not finite.
        """

    def learned(self) -> Learned:
        optimizer, state = learner_state.describe(self.model)
        return Learned(weights_of(self.policy), optimizer, state, {})

    def restore(self, checkpoint: Checkpoint, source: Path) -> None:
        learner_state.restore(self.model, checkpoint, source)

    # Imitation, for which a subclass says where the episodes are.

    @property
    @abc.abstractmethod
    def environments(self) -> Environments | VecEnv | VectorEnv[Any, Any, Any]:
        """What the expert plays in."""

    @property
    @abc.abstractmethod
    def underway(self) -> Underway:
        """Where the episodes have got to; imitation takes it over from the model and puts it back."""

    @underway.setter
    @abc.abstractmethod
    def underway(self, underway: Underway) -> None: ...

    @abc.abstractmethod
    def note_outcome(self, outcome: StepOutcome) -> None:
        """Counts what a step of imitation brought."""

    def end_rollout(self) -> None:
        """Reads the episodes of a rollout of imitation, where they were only noted."""

    @property
    def workers(self) -> Workers | None:
        """Threads that share a minibatch; None learns in this one alone."""
        return None

    @property
    def auxiliary(self) -> Mapping[str, nn.Module]:
        """Auxiliary losses, by name."""
        return {}

    def _imitate(self, callback: Callback) -> bool:
        """Imitates until the imitation's steps are done; False where the callback ended it."""
        model, total = self.model, self._plan.imitation
        if model.ep_info_buffer is None:
            model.ep_info_buffer = deque(maxlen=model._stats_window_size)
            model.ep_success_buffer = deque(maxlen=model._stats_window_size)
        imitator = Imitator(
            self.policy,
            self.environments,
            self._expert,
            total,
            imitation_of(self.settings),
            seed=self._job.seed,
            done=self.steps,
            workers=self.workers,
            auxiliary=self.auxiliary,
            auxiliary_weights=self._job.auxiliary,
        )

        def on_step(outcome: StepOutcome) -> bool:
            self.steps += self.steps_at_once
            self.note_outcome(outcome)
            return callback.on_step()

        self._is_imitating = True
        while imitator.done < total:
            callback.on_rollout_start()  # may restart, or go on from a checkpoint
            imitator.underway = self.underway
            if imitator.collect(on_step) is None:
                return False
            self.underway = imitator.underway
            self.end_rollout()
            log_not_finite(self.logger, self.policy.perception, imitator.rollout.observations())
            figures = imitator.learn()
            callback.on_rollout_end()
            for name, value in imitator.measured().items():
                self.logger.record(name, value)
            self._record(figures)
        self._end_imitation(callback)
        return True

    def _record(self, figures: Mapping[str, float]) -> None:
        """One row of the metrics, and one point of each curve; without episodes where the expert alone played them."""
        model, logger = self.model, self.logger
        shown = "agreement" if isinstance(model.action_space, spaces.Discrete) else "loss"
        self._agreement = f", {shown} {figures[shown]:.2f}"
        for name, value in figures.items():
            logger.record(f"imitation/{name}", value)
        if figures["expert_share"] < 1.0:  # the policy has played, too
            if model.ep_info_buffer:
                logger.record("rollout/ep_rew_mean", safe_mean([info["r"] for info in model.ep_info_buffer]))
                logger.record("rollout/ep_len_mean", safe_mean([info["l"] for info in model.ep_info_buffer]))
            if model.ep_success_buffer:
                logger.record("rollout/success_rate", self.success_rate)
        seconds = max((time.time_ns() - self._learns_since_ns) / 1e9, 1e-9)
        logger.record("time/fps", int((self.steps - self._learns_from) / seconds))
        logger.record("time/total_timesteps", self.steps, exclude="tensorboard")
        logger.dump(self.steps)

    def _end_imitation(self, callback: Callback) -> None:
        """What follows begins with a fresh optimiser, and without the expert's episodes."""
        self.policy.optimizer.state.clear()
        for episodes in (self.model.ep_info_buffer, self.model.ep_success_buffer):
            episodes.clear()
        callback.on_phase_end()
        self._is_imitating = False


class _Forwarded(BaseCallback):
    """Passes on what a model tells its callbacks."""

    def __init__(self, training: ModelTraining, callback: Callback) -> None:
        super().__init__()
        self._training, self._callback = training, callback

    def _on_training_start(self) -> None:
        self._training.share_clock()

    def _on_rollout_start(self) -> None:
        logger = self._training.logger
        if "train/entropy_loss" in logger.name_to_value:  # of the last update, before a checkpoint keeps them
            logger.record("train/entropy", -logger.name_to_value["train/entropy_loss"])
            for name, value in self._training.gradients_told().items():
                logger.record(name, value)
        self._callback.on_rollout_start()

    def _on_step(self) -> bool:
        if not self._training.model_counts_episodes:
            self._training.after_step(self.locals["dones"])
        return self._callback.on_step()

    def _on_rollout_end(self) -> None:
        self._training.look_at_rollout()
        self._training.lower_entropy()
        for name, value in self._training.speeds().items():
            self._training.logger.record(name, value)
        self._callback.on_rollout_end()
