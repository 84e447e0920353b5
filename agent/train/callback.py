"""Watches a training run: progress, metrics, checkpoints, and the wish to stop.

What a checkpoint of `senseweave train` holds is put together here, in `TrainingCallback.save`; `restore` and the first
rollout put it back.
"""

import math
import time
from pathlib import Path

import numpy as np
import torch

from ...perception.errors import CheckpointError, ConfigError
from ...policies.processes import anyone, is_first, world_rank, world_size
from ...policies.saving import random_state
from ...policies.saving.checkpoint import Checkpoint
from ...policies.training import Training
from ..runs.directory import RunDirectory
from ..terminal.progress import Progress
from ..terminal.stop import StopRequest
from .processes import draw_anew

MAX_TRAINING_SEED = 999_000_000
"""Training draws its seeds below, evaluation from 1,000,000,000 up."""


class TrainingCallback:
    """What `Training.learn` calls between rollouts and after steps.

    Args:
        run: the run directory, where checkpoints go.
        training: the training that is watched.
        start: the checkpoint that it goes on from; None for a new run.
        stop: the person's wish to stop.
        progress: shows the steps.

    Attributes:
        steps: environment steps at the last moment between two rollouts.
    """

    def __init__(
        self, run: RunDirectory, training: Training, start: Checkpoint | None, stop: StopRequest, progress: Progress
    ) -> None:
        self._run, self._training, self._start, self._stop, self._progress = run, training, start, stop, progress
        self.steps: int = start.steps if start else 0
        self._steps_before = self.steps
        self._seconds_before = float(start.state.get("seconds", 0.0)) if start else 0.0
        self._began = time.monotonic()
        self._is_first_rollout, self._was_broken_off = True, False
        self._wants_to_stop = False
        self._snapshot: Snapshot | None = None

    @property
    def seconds(self) -> float:
        """Seconds of training, earlier parts of the run included."""
        return self._seconds_before + time.monotonic() - self._began

    @property
    def steps_per_second(self) -> float:
        """Speed since this process began to train."""
        return self._speed(self.steps)

    def _speed(self, steps: int) -> float:
        return (steps - self._steps_before) / max(time.monotonic() - self._began, 1e-9)

    @property
    def _resumes_exactly(self) -> bool:
        return self._training.resumes_exactly

    def on_rollout_start(self) -> None:
        """Writes a checkpoint where one is due, and restarts or restores the environments where that is due."""
        training, seed = self._training, self._run.config.train.seed
        every = self._run.config.train.checkpoint_every
        is_due = training.steps // every > self.steps // every
        self.steps = training.steps
        if is_due:
            self.save()
        if self._resumes_exactly and self._is_first_rollout and self._start is not None:
            training.restore_snapshot(self._start.world)
        elif self._is_first_rollout or (is_due and not self._resumes_exactly):
            training.restart(training_seed(seed, self.steps))
        if self._is_first_rollout and self._start is not None:
            for name, value in self._start.state["metrics"].items():
                training.logger.record(name, value)
            random_state.restore(self._start.state["random"], self._start.random)
        if world_size() > 1 and (is_due or self._is_first_rollout):
            draw_anew(seed, self.steps)
        self._is_first_rollout = False
        if self._resumes_exactly:
            self._snapshot = Snapshot(training)
        if world_size() > 1:  # all of them stop at the same step
            self._wants_to_stop = anyone(self._stop.is_set, training.policy.device)

    def on_step(self) -> bool:
        """Shows a step of all environments; False when the person wants to stop."""
        self._progress.advance(self._training.steps_at_once, self._training.progress)
        self._was_broken_off = self._stop.is_set if world_size() == 1 else self._wants_to_stop
        return not self._was_broken_off

    def on_rollout_end(self) -> None:
        """Hands the clock's and the episodes' figures to the logger."""
        for name, value in {
            "seconds": self.seconds,
            "steps_per_second": self._speed(self._training.steps),
            "episodes": self._training.episodes,
        }.items():
            self._training.logger.record(f"senseweave/{name}", value)

    def on_phase_end(self) -> None:
        """Writes a checkpoint; what follows restarts the environments where they cannot tell their state."""
        self.save()
        self._start, self._is_first_rollout = None, not self._resumes_exactly

    def save(self) -> None:
        """Writes a checkpoint of the moment between two rollouts; a rollout that was broken off is forgotten.

        Raises:
            ConfigError: the weights are not finite any more.
            CheckpointError: it cannot be written.
        """
        training, snapshot = self._training, Snapshot(self._training)
        if not is_first():
            return
        if self._was_broken_off:
            training.steps = self.steps
            snapshot = self._snapshot or snapshot
        self.steps = training.steps
        learned = training.learned()
        if not all(bool(torch.isfinite(tensor).all()) for tensor in learned.policy.values()):
            raise ConfigError(
                f"Training diverged before step {self.steps:,}: some weights are not finite. Train again with a lower "
                "--learning-rate."
            )
        figures = training.logger.name_to_value  # those that wait for the next row of metrics.csv
        waiting = {name: float(value) for name, value in figures.items() if name.startswith("train/")}
        state = learned.state | {
            "metrics": {name: value for name, value in waiting.items() if math.isfinite(value)},
            "random": snapshot.random[0],
            "episodes": training.episodes,
            "seconds": self.seconds,
        }
        world = snapshot.world | learned.losses
        self._run.save_checkpoint(
            Checkpoint(self.steps, learned.policy, learned.optimizer, snapshot.random[1], state, world)
        )


class Snapshot:
    """What changes while a rollout is played, as it is now; policy and optimiser stay as they are meanwhile."""

    def __init__(self, training: Training) -> None:
        self.random = random_state.capture()
        self.world = training.snapshot()


def restore(training: Training, checkpoint: Checkpoint, source: Path) -> None:
    """Puts everything back but the environments and random states, which follow when the first rollout starts.

    Raises:
        CheckpointError: the checkpoint does not fit; the training is as it was.
    """
    state = checkpoint.state
    try:
        float(state["seconds"]), dict(state["metrics"]), dict(state["random"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"The newest checkpoint in {source} lacks {error}; remove it to go on from the one before."
        ) from error
    training.restore(checkpoint, source)


def training_seed(seed: int, steps: int) -> int:
    """The seed of the first environment, which depends on the run's seed and step alone; those after it count up."""
    words = [seed, steps] if world_size() == 1 else [seed, steps, world_rank()]
    return int(np.random.SeedSequence(words).generate_state(1)[0]) % MAX_TRAINING_SEED
