"""`senseweave pretrain`: a perception learns without rewards and leaves a folder that `train --perception` takes.

The learning itself is in policies/pretraining.py, and what is learned in perception/objectives/. Ctrl-C ends it and
keeps what was learned; it does not resume.
"""

import contextlib
import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ...perception.config import PerceptionConfig
from ...perception.errors import ConfigError
from ...perception.perception import Perception
from ...policies.pretraining import Pretrainer, PretrainingSettings
from ...policies.saving.random_state import cuda_devices
from ...policies.saving.sealed import held_folder, writing
from ..runs.directory import require_free
from ..runs.machine import choose_device, limit_threads
from ..runs.strangers import as_words
from ..settings.pretrain import PretrainConfig
from ..terminal.progress import Progress, duration, tell
from ..terminal.stop import StopRequest
from .metrics import open_logger
from .observations import Played, Recorded

ROW_STEPS = 10
"""So many steps make a row of metrics.csv, and the first and last losses that are shown."""


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
    require_free(folder, resumes=False)
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
            require_free(folder, resumes=False)
            return _learn(config, folder, pretrainer, batches)
    finally:
        batches.close()


def _batches(config: PretrainConfig, device: torch.device) -> Played | Recorded:
    if config.dataset is not None:
        batches = Recorded(config.dataset, config.batch_size, device, config.seed, allow_damaged=config.allow_damaged)
        for sentence in batches.damage:
            tell(sentence)
        return batches
    return Played(str(config.env), config.env_options, config.num_envs, config.batch_size, device, config.seed)


def _learn(config: PretrainConfig, folder: Path, pretrainer: Pretrainer, batches: Played | Recorded) -> dict[str, Any]:
    course: list[dict[str, float]] = []
    began = time.monotonic()
    message = "Stopping: saving what was learned. Press Ctrl-C again to quit without it."
    with (
        StopRequest(message) as stop,
        contextlib.closing(open_logger(folder, 0, columns_for(config.objectives))) as logger,
        Progress(config.steps, "steps") as progress,
    ):
        for batch in batches:
            course.append(pretrainer.learn(batch))
            progress.advance(1, "  ".join(f"{name} {course[-1][name]:.3f}" for name in config.objectives))
            is_last = len(course) == config.steps or stop.is_set
            if is_last or len(course) % ROW_STEPS == 0:
                seconds = time.monotonic() - began
                recent = course[-(len(course) % ROW_STEPS or ROW_STEPS) :]
                for name in course[-1]:
                    logger.record(f"pretrain/{name}", _mean(recent, name))
                logger.record("pretrain/learning_rate", pretrainer.learning_rate)
                logger.record("pretrain/samples_per_second", len(course) * config.batch_size / seconds)
                logger.record("senseweave/seconds", seconds, exclude="tensorboard")
                logger.record("time/total_timesteps", len(course), exclude="tensorboard")
                logger.dump(len(course))
            if is_last:
                break
        seconds = time.monotonic() - began
        pretrainer.perception.save_pretrained(folder)
    tell(f"Learned from {len(course):,} batches in {duration(seconds)}; the perception is in {folder}.")
    return {
        "env": config.env,
        "env_options": config.env_options,
        "dataset": config.dataset,
        "damage": batches.damage if isinstance(batches, Recorded) else [],
        "out": str(folder),
        "steps": len(course),
        "samples": len(course) * config.batch_size,
        "seconds": round(seconds, 3),
        "samples_per_second": round(len(course) * config.batch_size / seconds, 1),
        "objectives": {
            name: {"weight": weight, "first": _mean(course[:ROW_STEPS], name), "last": _mean(course[-ROW_STEPS:], name)}
            for name, weight in config.objectives.items()
        },
        "was_interrupted": stop.is_set,
    }


def columns_for(objectives: Sequence[str] | dict[str, float]) -> dict[str, str]:
    """Column of metrics.csv -> key of the logger; the losses are means over the steps since the row before."""
    columns = {"steps": "time/total_timesteps", "seconds": "senseweave/seconds"}
    names = ("samples_per_second", "learning_rate", "loss", *objectives)
    return columns | {name: f"pretrain/{name}" for name in names}


def _mean(course: list[dict[str, float]], name: str) -> float:
    return sum(losses[name] for losses in course) / len(course)


def as_text(result: dict[str, Any]) -> str:
    """The result for people."""
    lines = [f"{'objective':<14}{'weight':>8}{'first loss':>12}{'last loss':>12}"]
    for name, row in result["objectives"].items():
        lines.append(f"{name:<14}{row['weight']:>8g}{row['first']:>12.4f}{row['last']:>12.4f}")
    source = f"{as_words(result['env'], result['env_options'])} " if result["env"] else ""
    lines.append(f"perception      {result['out']}")
    lines.append(f"train with it   senseweave train {source}--perception {shlex.quote(result['out'])}")
    return "\n".join(lines)
