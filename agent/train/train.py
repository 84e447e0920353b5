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
from typing import Any, cast

import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.utils import safe_mean
from stable_baselines3.common.vec_env import VecEnv

from ...perception.errors import ConfigError
from ...perception.files import load_strictly
from ...perception.perception import Perception
from ...policies.extractor import perception_of
from ...policies.imitation import ImitationSettings
from ...policies.presets import PPOPreset
from ...policies.processes import is_first, joined, wait_for_all, wait_for_folder
from ...policies.saving.checkpoint import Checkpoint, folders
from ..evaluate.evaluate import evaluate_policy, finite_or_none
from ..play.experts import vector_expert_for
from ..runs.directory import RunConfig, RunDirectory, require_free, require_named_env
from ..runs.machine import choose_device
from ..settings.train import TrainConfig
from ..show.video import try_to_record
from ..terminal.progress import Progress, duration, tell
from ..terminal.stop import StopRequest
from .callback import Keeper, restore
from .imitate import imitation_settings, learn_from_expert
from .metrics import open_logger
from .models import DevicePPO, Model, build_model, make_training_env, resolve_algorithm, resolve_perception

IMITATION = "imitation"
"""The key of the imitation's settings among those of the algorithm in config.json."""

WORKERS = "workers"
"""The key of the on-device trainer's number of threads there: the same number gives the same bits."""


def train(config: TrainConfig, out: str | os.PathLike[str]) -> dict[str, Any]:
    """Trains from the start.

    Args:
        config: what to train.
        out: the run directory, new or empty.

    Returns:
        What `train --json` prints.

    Raises:
        SenseweaveError: something that the caller can mend; nothing was written then, or the run can resume.
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
        algorithm = resolve_algorithm(config)
        settings = dataclasses.asdict(algorithm)
        if config.all_imitation_steps:
            vector_expert_for(vector, config.env)  # says so where there is none
            settings[IMITATION] = dataclasses.asdict(imitation_settings(config))
        model = build_model(config, algorithm, perception, facts.senses, vector, device)
        if isinstance(model, DevicePPO):
            settings[WORKERS] = model.workers.count
        _begin_with(model, pretrained, config)
        if is_first():
            described = RunConfig.describe(config, settings, facts.senses, perception, facts.step_s, facts.action_names)
            RunDirectory.create(out, described)
        wait_for_folder(Path(out))
        return _learn(RunDirectory.open(out), model, None)
    finally:
        vector.close()


def resume(path: str | os.PathLike[str], *, env: str | None = None, **changes: Any) -> dict[str, Any]:
    """Goes on from a run's newest checkpoint.

    Args:
        path: the run directory.
        env: the run's own environment; needed where that is a user's own (`package:Id`), as no file of ours names
            code to import.
        **changes: settings of `TrainConfig` to change: `steps` (the new total), `device`, `evaluation_episodes`,
            `video`, `checkpoint_every`, `keep_checkpoints`.

    Returns:
        What `train --json` prints.

    Raises:
        CheckpointError: the run is damaged, or belongs to another release.
        ConfigError: a change is out of its range, or the environment has changed.
    """
    with joined():
        return _resume(path, env, changes)


def _resume(path: str | os.PathLike[str], env: str | None, changes: dict[str, Any]) -> dict[str, Any]:
    run = RunDirectory.open(path)
    if run.is_model:
        raise ConfigError(f"{run.path} was written by PPO.save, not by train; go on with PPO.load in Python.")
    require_named_env(run, env)
    if env is not None and env != run.config.train.env:
        raise ConfigError(
            f"`env` cannot change when a run resumes: {run.path} is of {run.config.train.env}; got {env}."
        )
    checkpoint = run.load_checkpoint(tell) if folders(run.path / "checkpoints") else None
    config = dataclasses.replace(run.config.train, **changes)
    done = max(0, checkpoint.steps - config.all_imitation_steps) if checkpoint else 0
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
        pretrained = None if checkpoint else resolve_perception(config, facts.senses)[1]
        model = build_model(
            config,
            PPOPreset(**{key: value for key, value in run.config.algorithm.items() if key not in (IMITATION, WORKERS)}),
            run.config.perception,
            facts.senses,
            vector,
            device,
            run.config.algorithm.get(WORKERS),
        )
        _begin_with(model, pretrained, config)
        if checkpoint is not None:
            restore(model, checkpoint, run.path)
        if config != run.config.train and is_first():
            run = run.with_config(dataclasses.replace(run.config, train=config))
        wait_for_all()
        run = RunDirectory.open(path)
        tell(f"Resuming {run.path} at step {checkpoint.steps if checkpoint else 0:,} of {config.all_steps:,}.")
        return _learn(run, model, checkpoint)
    finally:
        vector.close()


def _begin_with(model: Model, pretrained: Perception | None, config: TrainConfig) -> None:
    if pretrained is not None:
        load_strictly(perception_of(model.policy), pretrained.state_dict(), Path(str(config.perception)))


def _learn(run: RunDirectory, model: Model, start: Checkpoint | None) -> dict[str, Any]:
    config = run.config.train
    done = start.steps if start else 0
    message = "Stopping: writing a checkpoint. Press Ctrl-C again to quit without one."
    with (
        run.held() if is_first() else contextlib.nullcontext(),
        StopRequest(message) as stop,
        contextlib.closing(open_logger(run.path, done) if is_first() else Logger(None, [])) as logger,
        Progress(config.all_steps, "steps", done, is_quiet=not is_first()) as progress,
    ):
        model.set_logger(logger)
        keeper = Keeper(run, start, stop, progress)
        goes_on = True
        if done < config.all_imitation_steps:
            expert = vector_expert_for(cast(VecEnv, model.get_env()), config.env)
            settings = ImitationSettings(**run.config.algorithm[IMITATION])
            goes_on = learn_from_expert(model, keeper, expert, config, settings)
        if goes_on and model.num_timesteps < config.all_steps:
            model.learn(config.all_steps - model.num_timesteps, callback=keeper, reset_num_timesteps=False)
        if model.num_timesteps > done:
            keeper.save()
    return _report(run, model, keeper, stop.is_set)


def _report(run: RunDirectory, model: Model, keeper: "Keeper", was_stopped: bool) -> dict[str, Any]:
    config = run.config.train
    if is_first():
        tell(f"Trained for {keeper.steps:,} steps in {duration(keeper.seconds)}; the policy is in {run.path}.")
    result: dict[str, Any] = {
        "env": config.env,
        "run": str(run.path),
        "steps": keeper.steps,
        "seconds": round(keeper.seconds, 3),
        "steps_per_second": round(keeper.steps_per_second, 1),
        "episodes": keeper.episodes,
        "success_rate": None,
        "mean_return": None,
        "training_success_rate": finite_or_none(float(safe_mean(model.ep_success_buffer or []))),
        "was_interrupted": was_stopped,
        "evaluation": None,
        "video": None,
    }
    if not is_first():
        return result
    if was_stopped:
        tell(f"Go on with: senseweave train --resume {shlex.quote(str(run.path))}")
        return result
    try:
        with torch.compiler.set_stance("force_eager"):  # other numbers of samples would be compiled anew
            if config.evaluation_episodes:
                evaluation = evaluate_policy(
                    model.policy, config.env, config.env_options, episodes=config.evaluation_episodes
                )
                result |= {"evaluation": evaluation}
                result |= {key: evaluation[key] for key in ("success_rate", "mean_return", "greedy_success_rate")}
            if config.video:
                result["video"] = try_to_record(model.policy, config.env, config.env_options, run.path / "video.mp4")
    except KeyboardInterrupt:
        command = f"senseweave evaluate {shlex.quote(str(run.path))}"
        tell(f"Training is complete, but its evaluation was stopped. Run it with: {command}")
        result["was_interrupted"] = True
    return result
