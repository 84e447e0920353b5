"""`senseweave train`: a policy learns in an environment and leaves a run directory.

Checkpoints are taken between rollouts. They hold the environments of the simulator; other environments start anew at
each checkpoint, from a seed made of (seed, steps). So a run that resumes goes on exactly as the run that never stopped
would have.
"""

import contextlib
import dataclasses
import os
import shlex
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.logger import Logger

from ...envs.registry import import_package
from ...perception.errors import CheckpointError, ConfigError, SenseweaveError
from ...perception.files import load_strictly
from ...perception.perception import Perception
from ...perception.spec import Spec
from ...perception.texts import shown
from ...policies.extractor import perception_of
from ...policies.processes import is_first, joined, wait_for_all, wait_for_folder
from ...policies.saving.checkpoint import Checkpoint, folders
from ...policies.trainer import TRAINERS
from ...policies.trainers.settings import WORKERS
from ...policies.training import Training
from ..evaluate.evaluate import evaluate_policy, finite_or_none
from ..runs.config import RunConfig
from ..runs.directory import RunDirectory, require_free
from ..runs.machine import choose_device
from ..runs.strangers import choose_env, naming
from ..settings.train import TrainConfig
from ..show.video import try_to_record
from ..terminal.progress import Progress, duration, tell
from ..terminal.stop import StopRequest
from .callback import TrainingCallback, restore
from .metrics import open_logger
from .start import build_training, make_training_env, resolve_perception


def train(config: TrainConfig, out: str | os.PathLike[str]) -> dict[str, Any]:
    """Trains from the start.

    Args:
        config: what to train.
        out: the run directory, new or empty.

    Returns:
        What `train --json` prints.

    Raises:
        SenseweaveError: something that the caller can fix; nothing was written then, or the run can resume.
    """
    with joined():
        return _train(config, out)


def _train(config: TrainConfig, out: str | os.PathLike[str]) -> dict[str, Any]:
    if is_first():
        require_free(Path(out))
    device = choose_device(config.device)
    vector, facts = make_training_env(config, device)
    try:
        perception, pretrained = resolve_perception(config, facts.senses)
        settings = TRAINERS[config.trainer]().settings(config)
        training = build_training(config, settings, perception, facts.senses, vector, device)
        _begin_with(training, pretrained, config)
        made: str | None = None
        if is_first():
            tell(f'Training by the recipe "{config.recipe}"; config.json will hold every setting.')
            described = RunConfig.describe(
                config, training.settings, facts.senses, perception, facts.step_s, facts.action_names
            )
            made = RunDirectory.create(out, described).config.run
        wait_for_folder(Path(out))
        run = RunDirectory.open(out)
        if made is not None and run.config.run != made:
            raise ConfigError(f"Another process has put a run into {out}; choose another --out.")
        return _learn(run, training, None)
    finally:
        vector.close()


def resume(
    path: str | os.PathLike[str],
    *,
    env: str | None = None,
    env_options: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Goes on from a run's newest checkpoint.

    Args:
        path: the run directory.
        env: the run's own environment; needed where a file may not choose it, see `strangers.needs_naming`.
        env_options: the run's own options, needed then too where it has some.
        **changes: settings of `TrainConfig` to change: `steps` (the new total), `device`, `evaluation_episodes`,
            `video`, `checkpoint_every`, `keep_checkpoints`.

    Returns:
        What `train --json` prints.

    Raises:
        CheckpointError: the run is damaged, or belongs to another release.
        ConfigError: a change is out of its range, or the environment has changed.
    """
    with joined():
        return _resume(path, env, env_options, changes)


def _resume(
    path: str | os.PathLike[str], env: str | None, env_options: dict[str, Any] | None, changes: dict[str, Any]
) -> dict[str, Any]:
    import_package(env)  # which may register kinds that the run senses
    run = RunDirectory.open(path)
    run.reader.require_resumable(run.path)
    if env is not None and env != run.config.train.env:
        raise ConfigError(
            f"`env` cannot change when a run resumes: {run.path} is of {shown(run.config.train.env, 80)}; got {env}."
        )
    if env_options is not None and env_options != run.config.train.env_options:
        raise ConfigError(
            f"`env_options` cannot change when a run resumes: {run.path} has "
            f"{shown(run.config.train.env_options, 200)}; got {env_options}."
        )
    choose_env(run, env, env_options)
    checkpoint = run.load_checkpoint(tell) if folders(run.path / "checkpoints") else None
    config = dataclasses.replace(run.config.train, **changes)
    done = max(0, checkpoint.steps - config.plan.imitation) if checkpoint else 0
    if "steps" in changes and config.steps < done:
        raise ConfigError(f"`steps` is the total, of which {done:,} are done; got {config.steps:,}. Give a larger one.")
    device = choose_device(config.device)
    vector, facts = make_training_env(config, device)
    try:
        if facts.senses != run.config.spec:
            raise ConfigError(
                f"{config.env} now senses {facts.senses}, but {run.path} was trained with {run.config.spec}; "
                "resume with the release that started it."
            )
        if checkpoint is None and config.perception is not None:
            raise ConfigError(
                f"{run.path} has no checkpoint yet and begins with the weights in {shown(config.perception, 120)}, "
                "which only its file names; train anew with --perception if you trust it."
            )
        training = _training_of(run, config, facts.senses, vector, device)
        if checkpoint is not None:
            restore(training, checkpoint, run.path)
        if config != run.config.train and is_first():
            run = run.with_config(dataclasses.replace(run.config, train=config))
        wait_for_all()
        run = RunDirectory.open(path)
        tell(f"Resuming {run.path} at step {checkpoint.steps if checkpoint else 0:,} of {config.plan.total:,}.")
        return _learn(run, training, checkpoint)
    finally:
        vector.close()


def _training_of(run: RunDirectory, config: TrainConfig, senses: Spec, vector: Any, device: torch.device) -> Training:
    """A training with the algorithm's settings as the run's file has them."""
    known = TRAINERS[config.trainer]().settings(config)
    if odd := sorted((known.keys() ^ run.config.algorithm.keys()) - {WORKERS}):
        raise CheckpointError(
            f'The `algorithm` in {run.path / "config.json"} lacks or does not know "{shown(odd[0], 60)}"; use the '
            "release that wrote it, or train anew."
        )
    try:
        return build_training(config, run.config.algorithm, run.config.perception, senses, vector, device)
    except SenseweaveError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError, RuntimeError, MemoryError) as error:
        raise CheckpointError(
            f"The `algorithm` in {run.path / 'config.json'} is not one of this release "
            f"({type(error).__name__}: {shown(error, 100)}); use the release that wrote it, or train anew."
        ) from error


def _begin_with(training: Training, pretrained: Perception | None, config: TrainConfig) -> None:
    if pretrained is not None:
        load_strictly(perception_of(training.policy), pretrained.state_dict(), Path(str(config.perception)))


def _learn(run: RunDirectory, training: Training, start: Checkpoint | None) -> dict[str, Any]:
    total, done = run.config.train.plan.total, start.steps if start else 0
    message = "Stopping: writing a checkpoint. Press Ctrl-C again to quit without one."
    with (
        run.held() if is_first() else contextlib.nullcontext(),
        StopRequest(message) as stop,
        contextlib.closing(open_logger(run.path, done) if is_first() else Logger(None, [])) as logger,
        Progress(total, "steps", done, is_quiet=not is_first()) as progress,
    ):
        training.logger = logger
        callback = TrainingCallback(run, training, start, stop, progress)
        training.learn(total, callback)
        if training.steps > done:
            callback.save()
    return _report(run, training, callback, stop.is_set)


def _report(run: RunDirectory, training: Training, callback: TrainingCallback, was_stopped: bool) -> dict[str, Any]:
    config = run.config.train
    if is_first():
        tell(f"Trained for {callback.steps:,} steps in {duration(callback.seconds)}; the policy is in {run.path}.")
    result: dict[str, Any] = {
        "env": config.env,
        "env_options": config.env_options,
        "run": str(run.path),
        "steps": callback.steps,
        "seconds": round(callback.seconds, 3),
        "steps_per_second": round(callback.steps_per_second, 1),
        "episodes": training.episodes,
        "success_rate": None,
        "mean_return": None,
        "training_success_rate": finite_or_none(training.success_rate),
        "was_interrupted": was_stopped,
        "evaluation": None,
        "video": None,
    }
    if not is_first():
        return result
    if was_stopped:
        named = naming(config.env, config.env_options)
        tell(f"Go on with: senseweave train --resume {shlex.quote(str(run.path))}{named}")
        return result
    try:
        with torch.compiler.set_stance("force_eager"):  # other numbers of samples would be compiled anew
            if config.evaluation_episodes:
                evaluation = evaluate_policy(
                    training.policy, config.env, config.env_options, episodes=config.evaluation_episodes
                )
                result |= {"evaluation": evaluation}
                result |= {key: evaluation[key] for key in ("success_rate", "mean_return", "greedy_success_rate")}
            if config.video:
                result["video"] = try_to_record(training.policy, config.env, config.env_options, run.path / "video.mp4")
    except KeyboardInterrupt:
        named = naming(config.env, config.env_options)
        command = f"senseweave evaluate {shlex.quote(str(run.path))}{named}"
        tell(f"Training is complete, but its evaluation was stopped. Run it with: {command}")
        result["was_interrupted"] = True
    return result
