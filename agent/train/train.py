"""`senseweave train`: a policy learns in an environment and leaves a run directory.

Checkpoints are taken between rollouts. They hold the environments of the simulator; other environments start anew at
each checkpoint, from a seed made of (seed, steps). So a run that resumes goes on exactly as the run that never stopped
would have.
"""

import contextlib
import dataclasses
import os
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
from ...policies.presets import ADDED_LATER
from ...policies.processes import is_first, joined, wait_for_all, wait_for_folder
from ...policies.saving.checkpoint import Checkpoint, folders
from ...policies.saving.model import MAX_ROLLOUT
from ...policies.trainer import TRAINERS
from ...policies.trainers.settings import DATASET, FOUND_WHEN_BUILT
from ...policies.training import Training
from ..evaluate.evaluate import evaluate_policy, evaluate_without_each, finite_or_none
from ..runs.config import RunConfig
from ..runs.directory import IS_EXACT, RunDirectory, require_free
from ..runs.machine import choose_device
from ..runs.next_steps import command_for
from ..runs.results import evaluation_figures, read_results, write_results
from ..runs.strangers import choose_env
from ..settings.engines import learned_in
from ..settings.train import UNNAMED, TrainConfig
from ..show.video import try_to_record
from ..terminal.progress import Progress, duration, tell
from ..terminal.stop import StopRequest
from .blame import explained
from .callback import TrainingCallback, restore
from .demonstrations import Demonstrations
from .held_out import HeldOutCurve
from .metrics import log_evaluation, open_logger
from .resuming import checkpoint_of, demonstrations_of, put_back_policy
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
    device, shown_to = choose_device(config.device), Demonstrations.of(config)
    vector, facts = make_training_env(config, device, shown_to)
    try:
        perception, pretrained = resolve_perception(config, facts.senses)
        settings = TRAINERS[config.trainer]().settings(config)
        if shown_to is not None:
            settings = shown_to.settle(settings) | {DATASET: shown_to.described}
        training = build_training(config, settings, perception, facts.senses, vector, device, shown_to)
        _begin_with(training, pretrained, config)
        made: str | None = None
        if is_first():
            by = "" if config.recipe is None else f' by the recipe "{config.recipe}"'
            tell(f"Training{by}: {config.plan.in_words}; config.json will hold every setting.")
            place = learned_in(config.env, config.env_options)[0]
            if place != config.env:
                tell(
                    f"{config.env} is learned in its batched twin {place} and judged in minigrid itself; "
                    "--env-option engine=minigrid refuses."
                )
            described = RunConfig.describe(
                config, training.settings, facts.senses, perception, facts.step_s, facts.action_names
            )
            made = RunDirectory.create(out, described).config.run
        wait_for_folder(Path(out))
        run = RunDirectory.open(out)
        if made is not None and run.config.run != made:
            raise ConfigError(f"Another process has put a run into {out}; choose another --out.")
        return _learn(run, training, None, shown_to)
    finally:
        vector.close()


def resume(
    path: str | os.PathLike[str],
    *,
    env: str | None = None,
    env_options: dict[str, Any] | None = None,
    exact: bool = False,
    **changes: Any,
) -> dict[str, Any]:
    """Goes on from a run's newest checkpoint; a finished run is told to be, and nothing is done.

    Args:
        path: the run directory.
        env: the run's own environment; needed where a file may not choose it, see `strangers.needs_naming`.
        env_options: the run's own options, needed then too where it has some.
        exact: go back to the newest checkpoint from which the run goes on bit for bit; without it, environments that
            cannot be put back into the middle of their episodes begin new ones where the run was stopped.
        **changes: settings of `TrainConfig` to change: `steps` (the new total), `device`, `evaluation_episodes`,
            `video`, `checkpoint_every`, `keep_checkpoints`; and `dataset`, the run's own, while it learns from one.

    Returns:
        What `train --json` prints.

    Raises:
        CheckpointError: the run is damaged, or belongs to another release.
        ConfigError: a change is out of its range, or the environment has changed.
    """
    with joined():
        return _resume(path, env, env_options, changes, exact)


def _resume(
    path: str | os.PathLike[str],
    env: str | None,
    env_options: dict[str, Any] | None,
    changes: dict[str, Any],
    exact: bool,
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
    if run.config.train.env != UNNAMED:
        choose_env(run, env, env_options)
    checkpoint = checkpoint_of(run, exact)
    if changes.get("perception", run.config.train.perception) != run.config.train.perception:
        raise ConfigError(f"`perception` cannot change when a run resumes; {run.path} began with another one.")
    config = dataclasses.replace(run.config.train, **changes)
    done = max(0, checkpoint.steps - config.plan.imitation) if checkpoint else 0
    if "steps" in changes and config.steps < done:
        raise ConfigError(f"`steps` is the total, of which {done:,} are done; got {config.steps:,}. Give a larger one.")
    finished_at = checkpoint.steps if checkpoint is not None and checkpoint.steps >= config.plan.total else None
    if checkpoint is not None and finished_at is not None:
        put_back_policy(run, checkpoint)
    if finished_at is not None and not (changes.get("evaluation_episodes") or changes.get("video")):
        return _finished(run, finished_at)
    device, shown_to = choose_device(config.device), demonstrations_of(run, config, changes, checkpoint)
    vector, facts = make_training_env(config, device, shown_to)
    try:
        if facts.senses != run.config.spec:
            raise ConfigError(
                f"{config.env} now senses {facts.senses}, but {run.path} was trained with {run.config.spec}; "
                "resume with the release that started it."
            )
        if checkpoint is None and config.perception is not None and "perception" not in changes:
            raise ConfigError(
                f"{run.path} has no checkpoint yet and begins with the weights in {shown(config.perception, 120)}, "
                "which only its file names; name them with --perception, too, if you trust them."
            )
        pretrained = None if checkpoint else resolve_perception(config, facts.senses)[1]
        training = _training_of(run, config, facts.senses, vector, device, shown_to)
        _begin_with(training, pretrained, config)
        if checkpoint is not None:
            restore(training, checkpoint, run.path)
        if config != run.config.train and is_first():
            run = run.with_config(dataclasses.replace(run.config, train=config))
        wait_for_all()
        run = RunDirectory.open(path)
        if finished_at is not None:
            tell(_is_finished(run, finished_at))
        else:
            tell(f"Resuming {run.path} at step {checkpoint.steps if checkpoint else 0:,} of {config.plan.total:,}.")
        if checkpoint is not None and not checkpoint.state.get(IS_EXACT, True):
            tell(
                "Its environments cannot be put back into the middle of their episodes: they begin new ones, and the "
                "end will not be, bit for bit, that of a run that never stopped; see --exact."
            )
        return _learn(run, training, checkpoint, shown_to)
    finally:
        vector.close()


def _is_finished(run: RunDirectory, steps: int) -> str:
    asked = run.config.train.plan.total
    more = "" if steps == asked else f" ({asked:,} were asked for; the last rollout is always played to its end)"
    return f"{run.path} is finished: {steps:,} steps are done{more}."


def _finished(run: RunDirectory, steps: int) -> dict[str, Any]:
    """Says that a run is finished, and what can be done with it."""
    if is_first():
        tell(
            f"{_is_finished(run, steps)} Add --steps with a larger total to go on, or evaluate it: "
            f"{command_for(run, 'evaluate')}"
        )
    results = read_results(run)
    result = _result(run, steps) | {"evaluation": results and results["evaluation"]}
    return result | evaluation_figures(result["evaluation"])


def _training_of(
    run: RunDirectory,
    config: TrainConfig,
    senses: Spec,
    vector: Any,
    device: torch.device,
    shown_to: Demonstrations | None,
) -> Training:
    """A training with the algorithm's settings as the run's file has them."""
    known = TRAINERS[config.trainer]().settings(config)
    if odd := sorted((known.keys() ^ run.config.algorithm.keys()) - FOUND_WHEN_BUILT - ADDED_LATER):
        raise CheckpointError(
            f'The `algorithm` in {run.path / "config.json"} lacks or does not know "{shown(odd[0], 60)}"; use the '
            "release that wrote it, or train anew."
        )
    n_steps = run.config.algorithm.get("n_steps", 1)
    if not isinstance(n_steps, int) or not 0 < n_steps * config.num_envs <= MAX_ROLLOUT:
        raise CheckpointError(
            f"The `algorithm` in {run.path / 'config.json'} asks for rollouts of {shown(repr(n_steps), 40)} x "
            f"{config.num_envs} steps; use the release that wrote it, or train anew."
        )
    try:
        return build_training(config, run.config.algorithm, run.config.perception, senses, vector, device, shown_to)
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


def _result(run: RunDirectory, steps: int) -> dict[str, Any]:
    """What `train --json` prints, as far as the run directory tells."""
    return {
        "env": run.config.train.env,
        "run": str(run.path),
        "steps": steps,
        "seconds": 0.0,
        "steps_per_second": 0.0,
        "episodes": 0,
        "success_rate": None,
        "mean_return": None,
        "training_success_rate": None,
        "was_interrupted": False,
        "evaluation": None,
        "video": None,
        "held_out": None,
        "next": {name: command_for(run, name) for name in ("evaluate", "explain")},
    }


def _learn(
    run: RunDirectory, training: Training, start: Checkpoint | None, shown_to: Demonstrations | None
) -> dict[str, Any]:
    total, done = run.config.train.plan.total, start.steps if start else 0
    message = "Stopping: writing a checkpoint. Press Ctrl-C again to quit without one."
    with (
        run.held() if is_first() else contextlib.nullcontext(),
        StopRequest(message) as stop,
        contextlib.closing(open_logger(run.path, done) if is_first() else Logger(None, [])) as logger,
        Progress(total, "steps", done, is_quiet=not is_first()) as progress,
    ):
        training.logger = logger
        look = HeldOutCurve(run.config.train, training, None if shown_to is None else shown_to.held_out)
        callback = TrainingCallback(run, training, start, stop, progress, look)
        try:
            with contextlib.closing(look):
                training.learn(total, callback)
            if training.steps > done:
                callback.save()
        except KeyboardInterrupt:  # raised inside an environment, or where signals are not ours
            stop.is_set = True
            callback.rescue()
        except BaseException as error:
            _end_with(error, run, training, callback)
            raise
    return _report(run, training, callback, stop.is_set) | {"held_out": look.of_data}


def _end_with(error: BaseException, run: RunDirectory, training: Training, callback: TrainingCallback) -> None:
    """Keeps what was learned until the last moment between two rollouts, and says whose fault it was.

    Raises:
        EnvironmentFault: it was the environment's, or that of other code which is not ours.
    """
    if not is_first():
        return
    env_step = training.steps // max(1, training.steps_at_once) + 1
    moment = f"at step {training.steps:,} of the training"
    kept = callback.rescue()
    advice = "" if kept is None else f"The state of step {kept:,} is kept."
    has_any = kept is not None or bool(folders(run.path / "checkpoints"))
    how = "Go on with" if has_any else "No checkpoint could be written, so begin anew with"
    goes_on = f"{how}: {command_for(run, 'train --resume')}"
    fault = explained(error, env_step, moment, f"{advice} Mend it. {goes_on}".strip())
    if fault is not None:
        raise fault from error
    tell(f"{advice} {goes_on}".strip())


def _report(run: RunDirectory, training: Training, callback: TrainingCallback, was_stopped: bool) -> dict[str, Any]:
    config = run.config.train
    if is_first():
        tell(f"Trained for {callback.steps:,} steps in {duration(callback.seconds)}; the policy is in {run.path}.")
    result = _result(run, callback.steps) | {
        "seconds": round(callback.seconds, 3),
        "steps_per_second": round(callback.steps_per_second, 1),
        "episodes": training.episodes,
        "training_success_rate": finite_or_none(training.success_rate),
        "was_interrupted": was_stopped,
    }
    if not is_first():
        return result
    if was_stopped:
        tell(f"Go on with: {command_for(run, 'train --resume')}{callback.how_exact}")
    if was_stopped or config.env == UNNAMED:
        return result
    try:
        with torch.compiler.set_stance("force_eager"):  # other numbers of samples would be compiled anew
            if config.evaluation_episodes:
                evaluation = evaluate_policy(
                    training.policy, config.env, config.env_options, episodes=config.evaluation_episodes
                )
                evaluation["without_each"] = evaluate_without_each(
                    training.policy, *learned_in(config.env, config.env_options), config.evaluation_episodes
                )
                result |= {"evaluation": evaluation} | evaluation_figures(evaluation)
                write_results(run, callback.steps, evaluation)
                log_evaluation(run.path, callback.steps, evaluation)
            if config.video:
                result["video"] = try_to_record(training.policy, config.env, config.env_options, run.path / "video.mp4")
    except KeyboardInterrupt:
        command = command_for(run, "evaluate")
        tell(f"Training is complete, but its evaluation was stopped. Run it with: {command}")
        result["was_interrupted"] = True
    return result
