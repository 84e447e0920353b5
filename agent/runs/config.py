"""`RunConfig`: config.json of a run directory, which says what was trained, and with which settings."""

import dataclasses
import importlib.metadata
import secrets
from pathlib import Path
from typing import Any, Self

from ...perception.config import PerceptionConfig
from ...perception.texts import shown
from ...perception.errors import CheckpointError, SenseweaveError, TokenizerMismatchError
from ...perception.spec import Spec
from ...perception.tokenizer import default_tokenizer
from ...policies.saving.model_config import RUN_FORMAT as FORMAT
from ...policies.saving.model_config import RUN_VERSION as VERSION
from ...policies.saving.model_config import SavedModel
from ...policies.saving.sealed import read_sealed
from ..settings.train import TrainConfig
from .present import UNNAMED as UNNAMED

USUAL_STEP_S = 0.1
"""Seconds for a step, where the environment of a saved model did not tell."""


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """What config.json holds.

    Args:
        train: what was asked for.
        algorithm: the learning algorithm's resolved settings, as plain JSON.
        spec: the senses that the policy reads.
        perception: the network's resolved size and fusion.
        step_s: seconds that one environment step stands for.
        action_names: of a discrete action space; empty otherwise.
        max_age_s: how old a reading of each sense may be when the policy runs live.
        tokenizer: identity of the tokenizer; None where no sense is an instruction.
        run: a random name that ties weights and checkpoints to this file.
        senseweave: version that wrote it.
    """

    train: TrainConfig
    algorithm: dict[str, Any]
    spec: Spec
    perception: PerceptionConfig
    step_s: float
    action_names: tuple[str, ...]
    max_age_s: dict[str, float]
    tokenizer: str | None
    run: str
    senseweave: str

    @classmethod
    def describe(
        cls,
        train: TrainConfig,
        algorithm: dict[str, Any],
        spec: Spec,
        perception: PerceptionConfig,
        step_s: float,
        action_names: tuple[str, ...],
    ) -> Self:
        """A new run's configuration; a reading may be three steps old."""
        reads = bool(spec.texts())
        return cls(
            train=train,
            algorithm=algorithm,
            spec=spec,
            perception=perception,
            step_s=float(step_s),
            action_names=tuple(action_names),
            max_age_s={name: round(3 * float(step_s), 9) for name in spec},
            tokenizer=default_tokenizer().identity if reads else None,
            run=secrets.token_hex(8),
            senseweave=importlib.metadata.version("senseweave"),
        )

    def to_json(self) -> dict[str, Any]:
        """This configuration as plain JSON values."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        parts = {name: getattr(self, name).to_json() for name in ("train", "spec", "perception")}
        return {"format": FORMAT, "version": VERSION} | own | parts | {"action_names": list(self.action_names)}

    @classmethod
    def of_model(cls, saved: SavedModel, path: Path) -> Self:
        """What the commands need of a model that `PPO.save` wrote; `train` tells its environment alone.

        Raises:
            CheckpointError: it has no senses that the commands know.
        """
        if saved.senses is None:
            raise CheckpointError(
                f"{path} has no perception of senseweave, so its senses are not known; use it with PPO.load."
            )
        spec, perception = saved.senses
        facts = saved.environment
        train = TrainConfig(env=facts.id or UNNAMED, env_options=facts.options, steps=max(1, saved.steps))
        step_s = facts.step_s or USUAL_STEP_S
        described = cls.describe(train, saved.settings, spec, perception, step_s, facts.action_names)
        return dataclasses.replace(described, run=saved.save, senseweave=saved.senseweave)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads config.json.

        Raises:
            CheckpointError: it is missing, damaged, or of another version.
            TokenizerMismatchError: the run was trained with another tokenizer.
        """
        content = read_sealed(path, FORMAT, VERSION)
        fields = {field.name for field in dataclasses.fields(cls)}
        if content.keys() - {"format", "version"} != fields:
            wrong = sorted((content.keys() - {"format", "version"}) ^ fields)[0]
            raise CheckpointError(f'{path} lacks or does not know "{wrong}"; use the release that wrote it.')
        try:
            parts = {
                "train": TrainConfig.from_json(content["train"]),
                "spec": Spec.from_json(content["spec"]),
                "perception": PerceptionConfig.from_json(content["perception"]),
                "action_names": tuple(content["action_names"]),
            }
            _require_plain(content)
            config = cls(**{name: content[name] for name in fields} | parts)
        except (SenseweaveError, TypeError, AttributeError, KeyError, ValueError, OverflowError) as error:
            raise CheckpointError(f"{path} does not describe a run of this release: {shown(error)}") from error
        own = default_tokenizer().identity
        if config.tokenizer is not None and config.tokenizer != own:
            raise TokenizerMismatchError(
                f"{path.parent} was trained with tokenizer {config.tokenizer}, but this release has {own}; "
                "use the release that trained it."
            )
        return config


def _require_plain(content: dict[str, Any]) -> None:
    """Checks the fields that no class of their own checks.

    Raises:
        ValueError: one is of another sort.
    """
    names, ages = content["action_names"], content["max_age_s"]
    is_right = {
        "action_names": isinstance(names, list) and all(isinstance(name, str) for name in names),
        "max_age_s": isinstance(ages, dict) and all(_is_above_0(age_s) for age_s in ages.values()),
        "step_s": _is_above_0(content["step_s"]),
        "run": isinstance(content["run"], str),
        "senseweave": isinstance(content["senseweave"], str),
        "tokenizer": isinstance(content["tokenizer"], (str, type(None))),
        "algorithm": isinstance(content["algorithm"], dict),
    }
    for name, is_fine in is_right.items():
        if not is_fine:
            raise ValueError(f"`{name}` must not be {shown(repr(content[name]), 60)}.")


def _is_above_0(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1e9
