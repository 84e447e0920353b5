"""`senseweave train`: a new run, or the same run resumed."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Self

from ....perception.errors import ConfigError
from ....perception.sharing.address import advice_on, find_folder
from ....policies.choices import AUXILIARIES
from ....policies.recipes import resolved
from ...runs.present import require_run
from ...settings.base import kinds_of
from ...settings.train import UNNAMED, TrainConfig
from ...settings.values import Hidden, Text
from ..command import Command, Result, new_folder

CHANGES_WHEN_RESUMING = (
    "env",
    "env_options",
    "perception",
    "dataset",
    "steps",
    "device",
    "evaluation_episodes",
    "video",
    "checkpoint_every",
    "keep_checkpoints",
)
"""What may be given with --resume."""


@dataclasses.dataclass(frozen=True)
class TrainOptions(TrainConfig):
    """A training run and where it goes.

    Args:
        out: run directory to make.
        resume: go on from this run's newest checkpoint, with its settings.
        exact: with --resume, go back to the newest checkpoint from which the run goes on bit for bit.
    """

    out: Annotated[str | None, Text(metavar="DIR", unset="runs/ENV-TIME")] = None
    resume: Annotated[str | None, Text(metavar="DIR")] = None
    exact: bool = False
    changes: Annotated[Mapping[str, Any], Hidden()] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_options(cls, given: Mapping[str, Any]) -> Self:
        if "resume" not in given:
            if given.get("exact"):
                raise ConfigError("`exact` says how a run resumes; give it together with --resume.")
            settings = cls.of_recipe(given)
            for name in given.get("auxiliary", ()):
                AUXILIARIES.require(name)
            if settings.perception is not None and not find_folder(settings.perception).is_dir():
                end = advice_on(settings.perception)
                told = end if end == "." else f"; give one{end}"
                raise ConfigError(f'`perception` must be a folder; "{settings.perception}" is none{told}')
            return settings
        changes = {name: value for name, value in given.items() if name not in ("resume", "exact")}
        for name in changes:
            if name == "out":
                raise ConfigError("`--resume` cannot be given together with --out; a run goes on where it is.")
            if name not in CHANGES_WHEN_RESUMING:
                word = kinds_of(cls)[name].words(name, None)[0].text
                raise ConfigError(f"`--{word}` cannot change when a run resumes; leave it out, or take a new --out.")
        # the dataset is checked with the settings of the run, which say how it is learned from
        alone = {name: value for name, value in changes.items() if name != "dataset"}
        return cls(**alone, resume=given["resume"], exact=bool(given.get("exact")), changes=changes)

    @classmethod
    def defaults(cls) -> Mapping[str, Any]:
        return resolved(None, {})


def _run(settings: TrainOptions) -> Result:
    if settings.resume is not None:
        require_run(settings.resume)
    from ...train.train import resume, train

    if settings.resume is not None:
        result = resume(settings.resume, exact=settings.exact, **settings.changes)
    else:
        name = "imitated" if settings.env == UNNAMED else settings.env
        result = train(settings.part(TrainConfig), settings.out or new_folder(name))
    return result, _text(result)


def _text(result: dict[str, Any]) -> str:
    from ...evaluate.evaluate import as_text

    lines = [] if result["evaluation"] is None else [as_text(result["evaluation"])]
    if result["held_out"]:
        figures = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in result["held_out"].items())
        lines.append(f"held-out steps  {figures}")
    lines.append(f"run directory   {result['run']}")
    if result["video"]:
        lines.append(f"video           {result['video']}")
    if not result["was_interrupted"]:
        lines.append(f"which senses?   {result['next']['explain']}")
    return "\n".join(lines)


COMMAND = Command(
    settings=TrainOptions,
    run=_run,
    summary="Train an agent, and leave a run directory with the policy, its curves and a video.",
    example="senseweave train --out runs/seek",
)
