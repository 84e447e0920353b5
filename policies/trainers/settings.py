"""The settings of PPO and of the imitation before it, as config.json keeps them under "algorithm".

PPO's stand there by their names, those of imitation under "imitation", and the number of the on-device trainer's
threads under "workers": the same number gives the same bits. "resumes_exactly" says whether the run goes on in the
middle of episodes, wherever it is stopped, and so ends with the bits of a run that never stopped.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ...perception.errors import ConfigError, UnknownNameError, did_you_mean
from ..presets import EXPERT_ALONE, ImitationSettings, PPOPreset, imitation_in_sequences, imitation_of_data
from ..recipes import tuned_for
from ..trainer import Job, Plan

IMITATION, WORKERS, RESUMES_EXACTLY, DATASET = "imitation", "workers", "resumes_exactly", "dataset"
FOUND_WHEN_BUILT = frozenset({WORKERS, RESUMES_EXACTLY, DATASET})
"""Settings that are known only once a training is built; older files lack the last two, and only what learns from a
dataset has the last: what it was."""

NOT_OF_PPO = {IMITATION} | FOUND_WHEN_BUILT


def new_settings(job: Job, plan: Plan, ppo: PPOPreset, *, imitation_rate: float | None = None) -> dict[str, Any]:
    """The settings of a new training: those of its recipe, or else the trainer's own, fitted to its size.

    Args:
        job: what was asked for.
        plan: its steps.
        ppo: the trainer's own settings of PPO.
        imitation_rate: learning rate of the imitation; None keeps its own.
    """
    recipe = tuned_for(job.recipe, job.trainer, job.memory)
    own = EXPERT_ALONE if job.memory == "none" else imitation_in_sequences(job.num_envs)
    imitation = recipe.imitation or own
    if getattr(job, "dataset", None):  # a job of somebody's own may have none
        imitation = imitation_of_data(job.num_envs, in_sequences=job.memory != "none")
    if imitation_rate is not None:
        imitation = dataclasses.replace(imitation, learning_rate=imitation_rate)
    said = require_overrides(getattr(job, "overrides", {}))  # a job of somebody's own may have none
    rate = said["ppo"].pop("learning_rate", job.learning_rate)
    fitted = dataclasses.replace(recipe.ppo or ppo, **said["ppo"]).fitted(job.num_envs, job.steps, rate)
    settings = dataclasses.asdict(fitted)
    if plan.imitation:
        settings[IMITATION] = dataclasses.asdict(dataclasses.replace(imitation, **said[IMITATION]))
    elif said[IMITATION]:
        name = next(iter(said[IMITATION]))
        raise ConfigError(
            f"`imitation.{name}` is set, but nothing is imitated; give --imitation-steps, or leave it out."
        )
    return settings


GROUPS = {"ppo": PPOPreset, IMITATION: ImitationSettings}
"""What `--set GROUP.NAME=VALUE` can set."""


def require_overrides(overrides: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings that were said by name, "ppo.gamma" say, by their group.

    Raises:
        UnknownNameError: there is no such setting.
        ConfigError: a value is of another type than the setting's, or out of its range.
    """
    known = [f"{group}.{field.name}" for group, kind in GROUPS.items() for field in dataclasses.fields(kind)]
    groups: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    for name, value in overrides.items():
        if name not in known:
            raise UnknownNameError(f'The setting "{name}" is not known; {did_you_mean(name, known)}')
        group, _, field = name.partition(".")
        groups[group][field] = value
    for group, kind in GROUPS.items():
        kind(**groups[group])
    return groups


def ppo_of(settings: Mapping[str, Any]) -> PPOPreset:
    """PPO's part of them."""
    return PPOPreset(**{name: value for name, value in settings.items() if name not in NOT_OF_PPO})


def imitation_of(settings: Mapping[str, Any]) -> ImitationSettings:
    """The imitation's part of them."""
    return ImitationSettings(**settings[IMITATION])
