"""`SavedModel`: config.json of a folder that `PPO.save` wrote, or of a run of `senseweave train`.

Plain JSON with a checksum; see `json_values.py` for how settings stand in it. Nothing is built from it here.
"""

import dataclasses
import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from ...perception.config import PerceptionConfig
from ...perception.errors import CheckpointError, ConfigError, SenseweaveError, TokenizerMismatchError, did_you_mean
from ...perception.files import read_json
from ...perception.spec import Spec
from ...perception.texts import shown
from ...perception.tokenizer import default_tokenizer
from ..environment.normalization import Normalization
from ..presets import ADDED_LATER, Linear, PPOPreset, ppo_settings
from .environment_facts import EnvironmentFacts
from .json_spaces import describe_space
from .json_values import decode, decode_schedule, encode, encode_schedule, own_class_name
from .sealed import read_sealed

FORMAT, VERSION = "senseweave.model", 1
RUN_FORMAT, RUN_VERSION = "senseweave.run", 1

SCHEDULES = ("learning_rate", "clip_range", "clip_range_vf")
"""Settings that may be functions of the remaining progress."""

NUMBERS = (
    *("n_steps", "batch_size", "n_epochs", "gamma", "gae_lambda", "normalize_advantage", "ent_coef", "vf_coef"),
    *("max_grad_norm", "target_kl", "verbose", "seed", "autocast", "normalize_rewards"),
)
"""Settings that are attributes of the model, and plain."""

WHOLE = ("n_steps", "batch_size", "n_epochs", "verbose", "seed", "stats_window_size")
"""Those of them that are whole numbers, and one more; None where it is the default."""

SETTINGS = (*SCHEDULES, *NUMBERS, "stats_window_size", "auxiliary", "workers", "compile", "policy_kwargs")
"""All that are saved."""


@dataclasses.dataclass(frozen=True)
class SavedModel:
    """What config.json holds.

    Args:
        save: a random name that ties weights and checkpoint to this file.
        steps: environment steps that the model had taken.
        checkpoint: name of the folder in checkpoints/ with optimiser, generators and environments; None in a run.
        policy: name in `PPO.policy_aliases`, or {"$own": name} for a class of the user's.
        settings: of `PPO`, as `json_values.py` writes them.
        left_out: settings that `exclude` named.
        observation_space: as `json_spaces.py` writes it.
        action_space: the same; None in a run whose actions have no names.
        num_envs: environments side by side.
        mission_count: instructions that they number, where auxiliary losses may need it; else 0.
        environment: what is known about them.
        tokenizer: identity of the tokenizer; None where no sense is an instruction.
        senseweave: version that wrote it.
        normalization: what `VecNormalize` knew of the observations; None where there was none, and in older files.
    """

    save: str
    steps: int
    checkpoint: str | None
    policy: str | dict[str, str]
    settings: dict[str, Any]
    left_out: tuple[str, ...]
    observation_space: dict[str, Any]
    action_space: dict[str, Any] | None
    num_envs: int
    mission_count: int
    environment: EnvironmentFacts
    tokenizer: str | None
    senseweave: str = dataclasses.field(default_factory=lambda: importlib.metadata.version("senseweave"))
    normalization: Normalization | None = None

    def to_json(self) -> dict[str, Any]:
        """This description as plain JSON values."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        parts = {"left_out": list(self.left_out), "environment": self.environment.to_json()}
        parts["normalization"] = None if self.normalization is None else self.normalization.to_json()
        return {"format": FORMAT, "version": VERSION} | own | parts

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads config.json.

        Raises:
            CheckpointError: it is missing, damaged, or of another sort or version.
            TokenizerMismatchError: the model was trained with another tokenizer.
        """
        path = folder / "config.json"
        if read_json(path).get("format") == RUN_FORMAT:
            saved = cls._of_run(read_sealed(path, RUN_FORMAT, RUN_VERSION), path)
        else:
            saved = cls._of_model(read_sealed(path, FORMAT, VERSION), path)
        own = default_tokenizer().identity
        if saved.tokenizer not in (None, own):
            raise TokenizerMismatchError(
                f"{folder} was trained with tokenizer {saved.tokenizer}, but this release has {own}; "
                "use the release that trained it."
            )
        return saved

    @classmethod
    def _of_model(cls, content: Mapping[str, Any], path: Path) -> Self:
        fields = {field.name for field in dataclasses.fields(cls)}
        values: dict[str, Any] = {"normalization": None} | dict(content)
        values = {name: value for name, value in values.items() if name not in ("format", "version")}
        if values.keys() != fields:
            wrong = sorted(values.keys() ^ fields)[0]
            raise CheckpointError(f'{path} lacks or does not know "{wrong}"; use the release that wrote it.')
        environment = EnvironmentFacts.from_json(values["environment"])
        is_right = all(
            type(values[name]) is int and values[name] >= 0 for name in ("steps", "num_envs", "mission_count")
        )
        is_right &= isinstance(values["settings"], dict) and isinstance(values["left_out"], list)
        is_right &= isinstance(values["policy"], (str, dict)) and isinstance(values["save"], str)
        if not is_right or not isinstance(values["settings"].get("policy_kwargs", {}), dict):
            raise CheckpointError(f"{path} does not describe a model of this release; use the one that wrote it.")
        known = values["normalization"]
        normalization = None if known is None else Normalization.from_json(known)
        parts = {"left_out": tuple(values["left_out"]), "environment": environment, "normalization": normalization}
        saved = cls(**values | parts)
        if saved.checkpoint is not None and Path(str(saved.checkpoint)).name != saved.checkpoint:
            raise CheckpointError(f"{path} names a checkpoint outside of its folder; restore it or save again.")
        return saved

    @classmethod
    def _of_run(cls, content: Mapping[str, Any], path: Path) -> Self:
        """What a run's weights need around them; its checkpoints are for `senseweave train --resume`."""
        try:
            train, algorithm = content["train"], content["algorithm"]
            memory, trainer = train["memory"], train["trainer"]
            if trainer == "sb3" and memory != "none":
                raise CheckpointError(
                    f"{path.parent} was trained with sb3-contrib's LSTM, which this PPO has not; evaluate it with "
                    "`senseweave evaluate`."
                )
            spec = Spec.from_json(content["spec"])
            known = {field.name for field in dataclasses.fields(PPOPreset)} - (ADDED_LATER - algorithm.keys())
            preset = PPOPreset(**{name: algorithm[name] for name in known})
            settings = ppo_settings(spec, PerceptionConfig.from_json(content["perception"]), preset)
            settings["policy_kwargs"]["memory"] = memory
            rate = encode_schedule(Linear(preset.learning_rate), "learning_rate")
            names = tuple(content["action_names"])
            return cls(
                save=content["run"],
                steps=0,
                checkpoint=None,
                policy="MultiInputPolicy",
                settings={name: encode(value, name) for name, value in settings.items() if name != "learning_rate"}
                | {"learning_rate": rate, "seed": train["seed"]},
                left_out=(),
                observation_space=describe_space(spec.space()),
                action_space={"sort": "Discrete", "n": len(names), "start": 0} if names else None,
                num_envs=train["num_envs"],
                mission_count=0,
                environment=EnvironmentFacts(train["env"], train["env_options"], content["step_s"], names),
                tokenizer=content["tokenizer"],
                senseweave=content["senseweave"],
            )
        except CheckpointError:
            raise
        except (SenseweaveError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            told = shown(repr(error))
            raise CheckpointError(f"{path} does not describe a run of this release: {told}.") from error

    @property
    def senses(self) -> tuple[Spec, PerceptionConfig] | None:
        """The senses and the perception of the policy; None where its features extractor is none of ours.

        Raises:
            CheckpointError: they are not of this release.
        """
        kwargs = self.settings.get("policy_kwargs", {}).get("features_extractor_kwargs", {})
        if not isinstance(kwargs, dict) or not {"spec", "config"} <= kwargs.keys():
            return None
        spec, config = decode(kwargs["spec"], "spec"), decode(kwargs["config"], "config")
        if not isinstance(spec, Spec) or not isinstance(config, PerceptionConfig):
            raise CheckpointError("The saved perception is described in another way; use the release that saved it.")
        return spec, config


def tokenizer_of(spec: Spec | None) -> str | None:
    """The identity of the tokenizer, where a sense is an instruction."""
    return default_tokenizer().identity if spec is not None and spec.texts() else None


def policy_of(aliases: Mapping[str, Any], saved: SavedModel, given: Any) -> Any:
    """The policy to build: its name, or the class that the user gives again.

    Raises:
        ConfigError: it is the user's own class and was not given, or another one was.
        CheckpointError: its name is not known.
    """
    name = own_class_name(saved.policy)
    if given is not None:
        if name is not None and getattr(given, "__name__", None) != name:
            raise ConfigError(f"`policy` must be the class {name}, which was saved; got {given!r:.60}.")
        return given
    if name is not None:
        raise ConfigError(f"The policy is of your own class {name}, and files import nothing; give policy={name}.")
    if not isinstance(saved.policy, str) or saved.policy not in aliases:
        raise CheckpointError(f"The saved policy {saved.policy!r:.60} is not known; use the release that saved it.")
    return saved.policy


def settings_of(saved: SavedModel, changes: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of the saved model's class, with some of them changed.

    Raises:
        ConfigError: a change is no setting, or a setting was left out and is not given.
        CheckpointError: the file has a setting that is not known.
    """
    known = (*SETTINGS, "tensorboard_log")
    for name in changes:
        if name not in known:
            raise ConfigError(f'"{name}" is no setting that `load` can change; {did_you_mean(name, known)}')
    for name in saved.left_out:
        if name not in changes:
            raise ConfigError(f"`{name}` was left out when the model was saved; give {name}=... to `load`.")
    stored = {name: value for name, value in saved.settings.items() if name not in changes or name == "policy_kwargs"}
    if not stored.keys() <= set(SETTINGS):
        raise CheckpointError(f"The model has the unknown setting {sorted(stored.keys() - set(SETTINGS))[0]!r:.40}.")
    for name, value in stored.items():
        kinds = int if name in WHOLE else (bool, int, float) if name in NUMBERS and name != "autocast" else object
        if value is not None and not isinstance(value, kinds):
            raise CheckpointError(f"`{name}` cannot be {value!r:.40}, as the file says; use the release that saved it.")
    kwargs = _policy_kwargs(stored.pop("policy_kwargs", {}), changes.get("policy_kwargs") or {})
    read = {name: (decode_schedule if name in SCHEDULES else decode)(value, name) for name, value in stored.items()}
    return read | changes | {"policy_kwargs": kwargs}


def _policy_kwargs(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in given.items():
        own = own_class_name(stored.get(name))
        if own is not None and getattr(value, "__name__", None) != own:
            raise ConfigError(f"`policy_kwargs.{name}` must be the class {own}, which was saved; got {value!r:.60}.")
    kept = {name: decode(value, f"policy_kwargs.{name}") for name, value in stored.items() if name not in given}
    return kept | dict(given)
