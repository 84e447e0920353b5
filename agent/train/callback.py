"""Watches a training run: progress, metrics, checkpoints, and the wish to stop.

What a checkpoint of `senseweave train` holds is put together here, at each moment between two rollouts, and kept in
memory: whatever ends a rollout or an update half way, that moment can be saved. `restore` and the first rollout put it
back.
"""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...perception.errors import CheckpointError, ConfigError
from ...policies.ppo.not_finite import EACH, NEVER
from ...policies.processes import anyone, is_first, world_rank, world_size
from ...policies.saving import random_state
from ...policies.saving.checkpoint import Checkpoint
from ...policies.training import Training
from ..runs.directory import IS_EXACT, RunDirectory
from ..terminal.progress import Progress, tell
from ..terminal.stop import StopRequest
from .processes import draw_anew

MAX_TRAINING_SEED = 999_000_000
"""Training draws its seeds below, evaluation from 1,000,000,000 up."""

MOST = 0.5
"""A sense that is not finite in a larger part of a rollout's steps is told of."""


class TrainingCallback:
    """What `Training.learn` calls between rollouts and after steps.

    Args:
        run: the run directory, where checkpoints go.
        training: the training that is watched.
        start: the checkpoint that it goes on from; None for a new run.
        stop: the person's wish to stop.
        progress: shows the steps.
        look: called at each due checkpoint of imitation; it changes nothing, and gives a word for the progress line.

    Attributes:
        steps: environment steps at the last moment between two rollouts.
    """

    def __init__(
        self,
        run: RunDirectory,
        training: Training,
        start: Checkpoint | None,
        stop: StopRequest,
        progress: Progress,
        look: Callable[[], str] = lambda: "",
    ) -> None:
        self._run, self._training, self._start, self._stop, self._progress = run, training, start, stop, progress
        self._look, self._seen = look, ""
        self.steps: int = start.steps if start else 0
        self._steps_before = self.steps
        self._seconds_before = float(start.state.get("seconds", 0.0)) if start else 0.0
        self._began = time.monotonic()
        self._is_first_rollout, self._was_broken_off = True, False
        self._wants_to_stop = False
        self._is_exact = bool(start.state.get(IS_EXACT, True)) if start else True
        self._restarted_at: int | None = None
        self._boundary: Checkpoint | None = None
        self._is_late = False
        self._told_absent: set[str] = set()

    @property
    def how_exact(self) -> str:
        """What to add to the command that goes on from the last checkpoint, where it does not do so bit for bit."""
        boundary = self._boundary
        if boundary is None or boundary.state[IS_EXACT]:
            return ""
        return "  (add --exact to go back to where it goes on bit for bit, as if it had never stopped)"

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
        """Writes a checkpoint where one is due, and restarts or restores the environments where that is due.

        Raises:
            ConfigError: the weights are not finite any more.
        """
        training, seed = self._training, self._run.config.train.seed
        every = self._run.config.train.checkpoint_every
        is_due = training.steps // every > self.steps // every
        self._require_finite_weights()
        self.steps = training.steps
        if is_due and (seen := self._look()):
            self._seen = f", {seen}"
        if is_due or self._is_late:
            self._save_or_wait(is_exact=is_due or self._is_first_rollout)
        if self._resumes_exactly and self._is_first_rollout and self._start is not None:
            training.restore_snapshot(self._start.world)
        elif self._is_first_rollout or (is_due and not self._resumes_exactly):
            before = random_state.capture()
            training.restart(training_seed(seed, self.steps))
            if is_due and not self._is_first_rollout:  # as it will be in a run that resumes here
                random_state.restore(*before)
            self._restarted_at = self.steps
        if self._is_first_rollout and self._start is not None:
            for name, value in self._start.state["metrics"].items():
                training.logger.record(name, value)
            random_state.restore(self._start.state["random"], self._start.random)
        if world_size() > 1 and (is_due or self._is_first_rollout):
            draw_anew(seed, self.steps)
        self._is_first_rollout = False
        if is_first():
            self._boundary = self._describe()
        if world_size() > 1:  # all of them stop at the same step
            self._wants_to_stop = anyone(self._stop.is_set, training.policy.device)

    def on_step(self) -> bool:
        """Shows a step of all environments; False when the person wants to stop."""
        self._progress.advance(self._training.steps_at_once, self._training.progress + self._seen)
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
        if is_first():
            self._tell_of_absent_senses()

    def _tell_of_absent_senses(self) -> None:
        """Tells once of each sense that was not finite in most steps of a rollout, or in all of them not there."""
        for key, share in self._training.logger.name_to_value.items():
            kind, _, name = key.rpartition("/")
            if name in self._told_absent:
                continue
            if kind + "/" == EACH and share > MOST:
                why = f"was absent in {100 * share:.0f} % of the steps: its numbers are not finite"
            elif kind + "/" == NEVER:
                why = "was absent in every step of a rollout: the environment did not give it, or not as finite numbers"
            else:
                continue
            self._told_absent.add(name)
            tell(f'"{name}" {why}. Training goes on without it; mend the environment if it should be there.')

    def on_phase_end(self) -> None:
        """Writes a checkpoint; what follows restarts the environments where they cannot tell their state."""
        self._require_finite_weights()
        self.steps, self._seen = self._training.steps, ""
        self._look()
        self._save_or_wait(is_exact=True)
        self._start, self._is_first_rollout = None, not self._resumes_exactly

    def save(self) -> None:
        """Writes a checkpoint of the moment between two rollouts; a rollout that was broken off is forgotten.

        Raises:
            ConfigError: the weights are not finite any more.
            CheckpointError: it cannot be written.
        """
        if self._was_broken_off:
            self._training.steps = self.steps
        else:
            self._require_finite_weights()
            self.steps = self._training.steps
        if is_first():
            described = self._boundary if self._was_broken_off else None
            self._run.save_checkpoint(described or self._describe(is_exact=True))

    def rescue(self) -> int | None:
        """Writes the last moment between two rollouts, after something went wrong.

        Returns:
            The steps that can be gone on from; None where nothing could be written.
        """
        boundary = self._boundary
        if boundary is None:
            return self._start.steps if self._start else None
        self._training.steps = self.steps = boundary.steps
        try:
            self._run.save_checkpoint(boundary)
        except (CheckpointError, MemoryError) as error:
            tell(f"The state of step {boundary.steps:,} could not be kept: {error}")
            return self._start.steps if self._start else None
        return boundary.steps

    def _save_or_wait(self, *, is_exact: bool) -> None:
        """Writes a checkpoint; where the disk refuses, training goes on, and the next rollout tries again."""
        if not is_first():
            return
        try:
            self._run.save_checkpoint(self._describe(is_exact=is_exact))
        except CheckpointError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            if not self._is_late:
                tell(f"{error} Training goes on, and tries to write a checkpoint again after each rollout.")
            self._is_late = True
            return
        if self._is_late:
            tell(f"The checkpoint of step {self.steps:,} is written.")
        self._is_late = False

    def _require_finite_weights(self) -> None:
        weights = [part for part in self._training.policy.parameters() if part.is_floating_point()]
        if weights and not bool(torch.stack(torch._foreach_norm(weights)).isfinite().all()):  # pyright: ignore
            raise ConfigError(
                f"Training diverged before step {self._training.steps:,}: some weights are not finite, though all "
                "rewards were. Train again with a lower --learning-rate."
            )

    def _describe(self, *, is_exact: bool = False) -> Checkpoint:
        """All that a checkpoint holds, in tensors of its own.

        Args:
            is_exact: whether the environments are restarted here in any case.
        """
        training = self._training
        learned = training.learned()
        plain, random = random_state.capture()
        figures = training.logger.name_to_value  # those that wait for the next row of metrics.csv
        waiting = {name: float(value) for name, value in figures.items() if name.startswith("train/")}
        state = learned.state | {
            "metrics": {name: value for name, value in waiting.items() if math.isfinite(value)},
            "random": plain,
            "episodes": training.episodes,
            "seconds": self.seconds,
            IS_EXACT: self._is_exact and (is_exact or self._resumes_exactly or self._restarted_at == training.steps),
        }
        world = training.snapshot() | _own(learned.losses)
        return Checkpoint(training.steps, _own(learned.policy), _own(learned.optimizer), random, state, world)


def _own(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: part.detach().clone() for name, part in tensors.items()}


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
