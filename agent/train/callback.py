"""Watches a training run: progress, metrics, checkpoints, and the wish to stop.

What a checkpoint holds is decided here, in `Keeper.save`, and put back in `restore` and at the first rollout.
"""

import math
import time
from collections import deque
from pathlib import Path
from typing import cast

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.type_aliases import RNNStates
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import safe_mean
from stable_baselines3.common.vec_env import VecEnv

from ...perception.errors import CheckpointError, ConfigError
from ...policies.processes import anyone, is_first, world_rank, world_size
from ...policies.saving import learner_state, random_state
from ...policies.saving.checkpoint import Checkpoint
from ..runs.directory import RunDirectory
from ..terminal.progress import Progress
from ..terminal.stop import StopRequest
from .models import DevicePPO, Model
from .processes import draw_anew

LARGEST_TRAINING_SEED = 999_000_000
"""Training draws its seeds below, evaluation from 1,000,000,000 up."""


class Keeper(BaseCallback):
    """Watches a training run: progress, metrics, checkpoints, and the wish to stop."""

    def __init__(
        self,
        run: RunDirectory,
        start: Checkpoint | None,
        stop: StopRequest,
        progress: Progress,
    ) -> None:
        super().__init__()
        self._run, self._start, self._stop, self._progress = run, start, stop, progress
        state = start.state if start else {}
        self.steps: int = start.steps if start else 0
        self._episodes: int = state.get("episodes", 0)
        self._steps_before, self._seconds_before = self.steps, float(state.get("seconds", 0.0))
        self._began = time.monotonic()
        self._is_first_rollout, self._was_broken_off = True, False
        self._wants_to_stop = False
        self._imitation = ""
        self._moment: _Moment | None = None
        self._entropy = run.config.algorithm["ent_coef"]

    @property
    def episodes(self) -> int:
        """Episodes that ended, in earlier parts of the run too; those of the on-device trainer when they are read."""
        model = getattr(self, "model", None)  # None before anything is learned
        return model._episode_num if isinstance(model, DevicePPO) else self._episodes

    @property
    def seconds(self) -> float:
        """Seconds of training, earlier parts of the run included."""
        return self._seconds_before + time.monotonic() - self._began

    @property
    def steps_per_second(self) -> float:
        """Speed since this process began to train."""
        return (self.steps - self._steps_before) / max(time.monotonic() - self._began, 1e-9)

    def begin_with(self, model: Model) -> None:
        """Watches the imitation that comes before `model.learn`, through the methods that follow."""
        self.init_callback(model)
        self._imitation = "imitates the expert"
        if model.ep_info_buffer is None:
            model.ep_info_buffer = deque(maxlen=model._stats_window_size)
            model.ep_success_buffer = deque(maxlen=model._stats_window_size)

    def note_imitation(self, told: dict[str, float]) -> None:
        """Shows how well the policy imitates: the success of episodes is the expert's as well, so it would mislead."""
        is_choice = isinstance(self.model.action_space, spaces.Discrete)
        shown = "agreement" if is_choice else "loss"
        self._imitation = f"imitates the expert, {shown} {told[shown]:.2f}"

    def end_imitation(self) -> None:
        """Writes a checkpoint between imitation and what follows; that starts anew where environments keep no state."""
        self.save()
        self._imitation = ""
        self._start, self._is_first_rollout = None, self._resumes_exactly() is None

    def _on_rollout_start(self) -> None:
        self.start_rollout()

    def start_rollout(self) -> None:
        """Notes that a rollout begins, and writes a checkpoint where one is due."""
        every = self._run.config.train.checkpoint_every
        is_due = self.model.num_timesteps // every > self.steps // every
        self.steps = self.model.num_timesteps
        if is_due:
            self.save()
        exact = self._resumes_exactly()
        if exact is not None and self._is_first_rollout and self._start is not None:
            exact.restore_snapshot(self._start.world)
        elif self._is_first_rollout or (is_due and exact is None):
            _start_environments(cast(Model, self.model), self._run.config.train.seed, self.steps)
        if self._is_first_rollout and self._start is not None:
            for name, value in self._start.state["metrics"].items():
                self.logger.record(name, value)
            random_state.restore(self._start.state["random"], self._start.random)
        if world_size() > 1 and (is_due or self._is_first_rollout):
            draw_anew(self._run.config.train.seed, self.steps)
        self._is_first_rollout = False
        if exact is not None:
            self._moment = _Moment(exact)
        if world_size() > 1:  # all of them stop at the same step
            self._wants_to_stop = anyone(self._stop.is_set, self.model.device)

    def _resumes_exactly(self) -> "DevicePPO | None":
        """The model, where its environments can go on in the middle of episodes; only of a process on its own."""
        model = self.model
        if not isinstance(model, DevicePPO) or world_size() > 1:
            return None
        return model if model.resumes_exactly else None

    def _on_step(self) -> bool:
        return self.note_step(None if isinstance(self.model, DevicePPO) else self.locals["dones"])

    def note_step(self, dones: NDArray[np.bool_] | None = None) -> bool:
        """Counts a step of every environment; False when the person wants to stop.

        Args:
            dones: whose episode is over; None where the model counts them itself, without waiting for the device.
        """
        self._episodes += 0 if dones is None else int(np.count_nonzero(dones))
        success, returns = self.model.ep_success_buffer, self.model.ep_info_buffer
        if self._imitation:
            note = self._imitation
        elif success:
            note = f"success {safe_mean(success):.2f}"
        else:
            note = f"return {safe_mean([info['r'] for info in returns]):.2f}" if returns else ""
        self._progress.advance(self.model.n_envs * world_size(), note)
        self._was_broken_off = self._stop.is_set if world_size() == 1 else self._wants_to_stop
        return not self._was_broken_off

    def _on_rollout_end(self) -> None:
        config = self._run.config.train
        done = self.model.num_timesteps - config.all_imitation_steps
        cast(Model, self.model).ent_coef = self._entropy * max(0.0, 1.0 - done / max(1, config.steps))
        self.record_times()

    def record_times(self) -> None:
        """Hands the clock's and the episodes' figures to the logger."""
        elapsed = time.monotonic() - self._began
        for name, value in {
            "seconds": self.seconds,
            "steps_per_second": (self.model.num_timesteps - self._steps_before) / max(elapsed, 1e-9),
            "episodes": self.episodes,
        }.items():
            self.logger.record(f"senseweave/{name}", value)

    def save(self) -> None:
        """Writes a checkpoint of the moment between two rollouts; a rollout that was broken off is forgotten.

        Raises:
            ConfigError: the weights are not finite any more.
            CheckpointError: it cannot be written.
        """
        moment = _Moment(self._resumes_exactly())
        if not is_first():
            return
        if self._was_broken_off:
            self.model.num_timesteps = self.steps
            moment = self._moment or moment
        self.steps = self.model.num_timesteps
        policy = self.model.policy.state_dict()
        if not all(bool(torch.isfinite(tensor).all()) for tensor in policy.values()):
            raise ConfigError(
                f"Training diverged before step {self.steps:,}: some weights are not finite. Train again with a lower "
                "--learning-rate."
            )
        optimizer, state = learner_state.describe(cast(Model, self.model))
        waiting = {name: float(value) for name, value in self.logger.name_to_value.items() if name.startswith("train/")}
        state |= {
            "metrics": {name: value for name, value in waiting.items() if math.isfinite(value)},
            "random": moment.random[0],
            "episodes": self.episodes,
            "seconds": self.seconds,
        }
        if isinstance(self.model, DevicePPO):
            moment.world |= self.model.auxiliary_state()
        self._run.save_checkpoint(Checkpoint(self.steps, policy, optimizer, moment.random[1], state, moment.world))


class _Moment:
    """What changes while a rollout is played, as it is now; policy and optimiser stay as they are meanwhile."""

    def __init__(self, model: DevicePPO | None) -> None:
        self.random = random_state.capture()
        self.world = {} if model is None else model.snapshot()


def restore(model: Model, checkpoint: Checkpoint, source: Path) -> None:
    """Puts everything back but the random states, which follow when the first rollout starts.

    Raises:
        CheckpointError: the checkpoint does not fit; the model is as it was.
    """
    state = checkpoint.state
    try:
        float(state["seconds"]), dict(state["metrics"]), dict(state["random"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"The newest checkpoint in {source} lacks {error}; remove it to go on from the one before."
        ) from error
    if isinstance(model, DevicePPO):
        model.restore_auxiliary(checkpoint.world)
    learner_state.restore(model, checkpoint, source)


def _start_environments(model: Model, seed: int, steps: int) -> None:
    """Starts every environment anew, from seeds that depend on the run's seed and step alone."""
    words = [seed, steps] if world_size() == 1 else [seed, steps, world_rank()]
    first = int(np.random.SeedSequence(words).generate_state(1)[0]) % LARGEST_TRAINING_SEED
    if isinstance(model, DevicePPO):
        model.restart(first)
        return
    vector = cast(VecEnv, model.get_env())  # SB3 has wrapped it, to move the channels of frames, say
    vector.seed(first)
    model._last_obs = vector.reset()  # type: ignore[assignment]
    model._last_episode_starts = np.ones(vector.num_envs, dtype=bool)
    if isinstance(model, RecurrentPPO):
        states = cast(RNNStates, model._last_lstm_states)
        model._last_lstm_states = RNNStates(*(tuple(map(torch.zeros_like, pair)) for pair in states))
