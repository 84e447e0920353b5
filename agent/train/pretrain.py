"""`senseweave pretrain`: a perception learns without rewards and leaves a folder that `train --perception` takes.

The learning itself is in policies/pretraining.py, and what is learned in perception/objectives/. Ctrl-C ends it and
keeps what was learned. It resumes bit for bit from its newest checkpoint: the batches until there are played again.
"""

import contextlib
import dataclasses
import itertools
import math
import os
import secrets
import shlex
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.logger import Logger

from ...envs.registry import import_package
from ...perception.config import PerceptionConfig
from ...perception.errors import CheckpointError, ConfigError
from ...perception.perception import Perception
from ...policies.policy import Observation
from ...policies.pretraining import Pretrainer, PretrainingSettings
from ...policies.saving import checkpoint as checkpoints
from ...policies.saving.random_state import cuda_devices
from ...policies.saving.sealed import held_folder, read_sealed, remove_folder, write_sealed, writing
from ..runs.directory import require_free
from ..runs.machine import choose_device, limit_threads
from ..runs.strangers import as_words
from ..settings.pretrain import PretrainConfig
from ..terminal.progress import Progress, duration, tell
from ..terminal.stop import StopRequest
from .blame import explained
from .metrics import open_logger
from .observations import Played, Recorded

ROW_STEPS = 10
"""So many steps make a row of metrics.csv, and the first and last losses that are shown."""

FORMAT, VERSION = "senseweave.pretraining", 1
FILE = "pretraining.json"
CHECKPOINTS = "checkpoints"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a pretraining stands: its folder, what was asked for, and the name that ties its checkpoints to it."""

    folder: Path
    config: PretrainConfig
    run: str

    @classmethod
    def create(cls, folder: Path, config: PretrainConfig) -> "Place":
        """Begins one in a new or empty folder."""
        place = cls(folder, config, secrets.token_hex(8))
        content = {"format": FORMAT, "version": VERSION, "run": place.run, "config": config.to_json()}
        write_sealed(folder / FILE, content)
        return place

    @classmethod
    def open(cls, folder: Path) -> "Place":
        """Comes back to one.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        content = read_sealed(folder / FILE, FORMAT, VERSION)
        try:
            return cls(folder, PretrainConfig.from_json(content["config"]), str(content["run"]))
        except (KeyError, TypeError, ConfigError) as error:
            raise CheckpointError(
                f"{folder / FILE} does not describe a pretraining of this release: {error}"
            ) from error

    @property
    def checkpoints(self) -> Path:
        """Where its checkpoints are; they go when it is done."""
        return self.folder / CHECKPOINTS

    @property
    def goes_on_with(self) -> str:
        """The command that resumes it."""
        env = str(self.config.env)
        named = f" --env {shlex.quote(env)}" if ":" in env else ""
        return f"senseweave pretrain --resume {shlex.quote(str(self.folder))}{named}"


class Course:
    """The losses of a pretraining, as far as they are shown: its first steps and its last ones."""

    def __init__(self) -> None:
        self.first: list[dict[str, float]] = []
        self.last: deque[dict[str, float]] = deque(maxlen=ROW_STEPS)
        self.done = 0

    def add(self, losses: dict[str, float]) -> None:
        """Notes one step."""
        if self.done < ROW_STEPS:
            self.first.append(losses)
        self.last.append(losses)
        self.done += 1

    @property
    def row(self) -> list[dict[str, float]]:
        """The steps since the last row of metrics.csv."""
        return list(self.last)[-(self.done % ROW_STEPS or ROW_STEPS) :]

    def state(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"first": self.first, "last": list(self.last), "done": self.done}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from `state`."""
        self.first, self.done = list(state["first"]), int(state["done"])
        self.last = deque(state["last"], maxlen=ROW_STEPS)


def pretrain(config: PretrainConfig, out: str | os.PathLike[str]) -> dict[str, Any]:
    """Pretrains.

    Args:
        config: what to learn, and from what.
        out: the folder, new or empty: config.json, model.safetensors, metrics.csv and TensorBoard's events.

    Returns:
        What `pretrain --json` prints.

    Raises:
        SenseweaveError: something that the caller can fix; no weights were written then.
    """
    folder = Path(out)
    if (folder / FILE).exists():
        raise ConfigError(
            f'"{folder}" holds a pretraining already; continue it with --resume, or choose another --out.'
        )
    require_free(folder, resumes=False)
    return _run(config, folder, None)


def resume(path: str | os.PathLike[str], *, env: str | None = None) -> dict[str, Any]:
    """Goes on from the newest checkpoint of a pretraining, or from its start where there is none.

    Args:
        path: its folder.
        env: its environment, which has to be named again where it is a user's own (`package:Id`).

    Returns:
        What `pretrain --json` prints.

    Raises:
        CheckpointError: there is none, or it is damaged.
        ConfigError: it is finished, or its environment was not named.
    """
    folder = Path(path)
    if not (folder / FILE).is_file():
        raise CheckpointError(f'"{folder}" has no {FILE}, so it is no pretraining; give the folder that pretrain made.')
    place = Place.open(folder)
    own = place.config.env
    if own is not None and ":" in own and env != own:
        raise ConfigError(f'`env` must be named again for an environment of your own; add --env "{own}".')
    if (folder / "model.safetensors").exists() and not checkpoints.folders(place.checkpoints):
        raise ConfigError(f"{folder} is finished; train with it: senseweave train --perception {folder}")
    import_package(own if own is not None and ":" in own else None)
    return _run(place.config, folder, place)


def _run(config: PretrainConfig, folder: Path, place: Place | None) -> dict[str, Any]:
    changes = {} if config.fusion is None else {"fusion": config.fusion}
    network = PerceptionConfig.preset(config.preset or "laptop", imputation=config.imputation, **changes)
    device = choose_device(config.device)
    limit_threads(network)
    batches = _batches(config, device)
    try:
        with torch.random.fork_rng(devices=cuda_devices()):
            torch.manual_seed(config.seed)
            perception = Perception(batches.senses, network).to(device)
        settings = PretrainingSettings(config.learning_rate, config.modality_dropout)
        pretrainer = Pretrainer(perception, config.objectives, config.steps, settings, seed=config.seed)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with held_folder(folder) as is_held:
            if not is_held:
                raise ConfigError(f'Another process is pretraining in "{folder}"; choose another --out.')
            if place is None:
                require_free(folder, resumes=False)
            is_new = place is None
            place = place or Place.create(folder, config)
            return _Learning(place, pretrainer, batches, is_new=is_new).run()
    finally:
        batches.close()


def _batches(config: PretrainConfig, device: torch.device) -> Played | Recorded:
    if config.dataset is not None:
        batches = Recorded(config.dataset, config.batch_size, device, config.seed, allow_damaged=config.allow_damaged)
        for sentence in batches.damage:
            tell(sentence)
        return batches
    return Played(str(config.env), config.env_options, config.num_envs, config.batch_size, device, config.seed)


class _Learning:
    """One process's part of a pretraining."""

    def __init__(self, place: Place, pretrainer: Pretrainer, batches: Played | Recorded, *, is_new: bool) -> None:
        self.place, self.pretrainer, self.batches, self.is_new = place, pretrainer, batches, is_new
        self.course, self.seconds_before, self.began = Course(), 0.0, time.monotonic()
        self.done_before, self.is_late, self.is_between_steps = 0, False, True

    @property
    def seconds(self) -> float:
        """Seconds of learning, earlier parts included."""
        return self.seconds_before + time.monotonic() - self.began

    def run(self) -> dict[str, Any]:
        """Learns until it is done, or somebody wants to stop."""
        config, place = self.place.config, self.place
        following = self._batches_on()
        message = "Stopping: saving what was learned. Press Ctrl-C again to quit without it."
        columns = columns_for(config.objectives)
        with (
            StopRequest(message) as stop,
            contextlib.closing(open_logger(place.folder, self.course.done, columns)) as logger,
            Progress(config.steps, "steps", self.course.done) as progress,
        ):
            try:
                while self.course.done < config.steps and not stop.is_set:
                    last = self._learn(next(following))
                    progress.advance(1, "  ".join(f"{name} {last[name]:.3f}" for name in config.objectives))
                    is_last = self.course.done == config.steps or stop.is_set
                    if is_last or self.course.done % ROW_STEPS == 0:
                        self._write_row(logger)
                    if self.course.done % config.checkpoint_every == 0 and not is_last or self.is_late:
                        self._save()
            except KeyboardInterrupt:
                stop.is_set = True
            except BaseException as error:
                self._end_with(error)
                raise
            was_stopped = self.course.done < config.steps
            if was_stopped:
                self._save()
            self.pretrainer.perception.save_pretrained(place.folder)
        seconds = self.seconds
        tell(f"Learned from {self.course.done:,} batches in {duration(seconds)}; the perception is in {place.folder}.")
        if was_stopped:
            tell(f"Go on with: {place.goes_on_with}")
        else:
            remove_folder(place.checkpoints)
        return self._result(seconds, stop.is_set)

    def _learn(self, batch: Observation) -> dict[str, float]:
        self.is_between_steps = False
        losses = self.pretrainer.learn(batch)
        if not all(map(math.isfinite, losses.values())):
            raise ConfigError(
                f"Pretraining diverged at step {self.course.done:,}: a loss is not finite. Begin again with a lower "
                "--learning-rate."
            )
        self.course.add(losses)
        self.is_between_steps = True
        return losses

    def _batches_on(self) -> Iterator[Observation]:
        """The batches that have not been learned from, after everything else was put back."""
        if self.is_new or not checkpoints.folders(self.place.checkpoints):
            return self.batches.batches_from(0)
        checkpoint = checkpoints.load_newest(self.place.checkpoints, self.place.run, tell)
        tell(f"Resuming {self.place.folder} at step {checkpoint.steps:,} of {self.place.config.steps:,}.")
        following = itertools.chain([next(ahead := self.batches.batches_from(checkpoint.steps))], ahead)
        self.pretrainer.restore(checkpoint, self.place.folder)  # after the environments, which may draw as well
        try:
            self.course.restore(checkpoint.state["course"])
            self.seconds_before = float(checkpoint.state["seconds"])
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"The newest checkpoint in {self.place.folder} lacks {error}; remove it.") from error
        self.done_before, self.began = self.course.done, time.monotonic()
        return following

    def _save(self) -> None:
        """Writes a checkpoint; where the disk refuses, the next step tries again."""
        checkpoint = self.pretrainer.checkpoint({"course": self.course.state(), "seconds": self.seconds})
        try:
            checkpoints.save(self.place.checkpoints, self.place.run, checkpoint, keep=1)
        except CheckpointError as error:
            if not self.is_late:
                tell(f"{error} Learning goes on, and tries to write a checkpoint again after each step.")
            self.is_late = True
            return
        self.is_late = False

    def _end_with(self, error: BaseException) -> None:
        """Keeps what was learned, and says whose fault it was.

        Raises:
            EnvironmentFault: it was the environment's, or that of other code which is not ours.
        """
        if self.is_between_steps:
            self._save()
        kept = f"Mend it. Go on with: {self.place.goes_on_with}"
        fault = explained(error, self.batches.steps + 1, f"at step {self.course.done:,} of the pretraining", kept)
        if fault is not None:
            raise fault from error
        tell(kept)

    def _write_row(self, logger: Logger) -> None:
        pretrainer, done = self.pretrainer, self.course.done
        recent = self.course.row
        for name in recent[-1]:
            logger.record(f"pretrain/{name}", _mean(recent, name))
        logger.record("pretrain/learning_rate", pretrainer.learning_rate)
        logger.record("pretrain/samples_per_second", self._speed())
        logger.record("senseweave/seconds", self.seconds, exclude="tensorboard")
        logger.record("time/total_timesteps", done, exclude="tensorboard")
        logger.dump(done)

    def _speed(self) -> float:
        seconds = max(time.monotonic() - self.began, 1e-9)
        return (self.course.done - self.done_before) * self.place.config.batch_size / seconds

    def _result(self, seconds: float, was_stopped: bool) -> dict[str, Any]:
        config, course = self.place.config, self.course
        last = list(course.last)
        return {
            "env": config.env,
            "env_options": config.env_options,
            "dataset": config.dataset,
            "damage": self.batches.damage if isinstance(self.batches, Recorded) else [],
            "out": str(self.place.folder),
            "steps": course.done,
            "samples": course.done * config.batch_size,
            "seconds": round(seconds, 3),
            "samples_per_second": round(self._speed(), 1),
            "objectives": {
                name: {"weight": weight, "first": _mean(course.first, name), "last": _mean(last, name)}
                for name, weight in config.objectives.items()
            },
            "was_interrupted": was_stopped,
        }


def columns_for(objectives: Sequence[str] | dict[str, float]) -> dict[str, str]:
    """Column of metrics.csv -> key of the logger; the losses are means over the steps since the row before."""
    columns = {"steps": "time/total_timesteps", "seconds": "senseweave/seconds"}
    names = ("samples_per_second", "learning_rate", "loss", *objectives)
    return columns | {name: f"pretrain/{name}" for name in names}


def _mean(course: Sequence[dict[str, float]], name: str) -> float:
    return sum(losses[name] for losses in course) / max(1, len(course))


def as_text(result: dict[str, Any]) -> str:
    """The result for people."""
    lines = [f"{'objective':<14}{'weight':>8}{'first loss':>12}{'last loss':>12}"]
    for name, row in result["objectives"].items():
        lines.append(f"{name:<14}{row['weight']:>8g}{row['first']:>12.4f}{row['last']:>12.4f}")
    source = f"{as_words(result['env'], result['env_options'])} " if result["env"] else ""
    lines.append(f"perception      {result['out']}")
    lines.append(f"train with it   senseweave train {source}--perception {shlex.quote(result['out'])}")
    return "\n".join(lines)
