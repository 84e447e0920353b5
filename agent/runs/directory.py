"""A run directory: everything that one training run leaves, in files that notice damage (see the design's 3.6).

config.json says what was trained, policy.safetensors holds the newest policy, checkpoints/ what resuming needs;
metrics.csv, TensorBoard events and video.mp4 are for people. Every trainer writes one, every command reads one; no
file is ever executed, unpickled or imported from.
"""

import contextlib
import dataclasses
import importlib.metadata
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from ...perception.config import PerceptionConfig
from ...perception.errors import CheckpointError, ConfigError, SenseweaveError, TokenizerMismatchError
from ...perception.files import read_json
from ...perception.spec import Instruction, Spec
from ...perception.tokenizer import default_tokenizer
from ...policies.saving import checkpoint as checkpoints
from ...policies.saving import weights
from ...policies.saving.model_config import FORMAT as MODEL_FORMAT
from ...policies.saving.model_config import SavedModel
from ...policies.saving.sealed import read_sealed, write_sealed, writing
from ..settings.train import TrainConfig

FORMAT = "senseweave.run"
VERSION = 1

UNNAMED = "unnamed"
"""Stands for the environment of a saved model that did not tell its id."""

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
        return cls(
            train=train,
            algorithm=algorithm,
            spec=spec,
            perception=perception,
            step_s=float(step_s),
            action_names=tuple(action_names),
            max_age_s={name: round(3 * float(step_s), 9) for name in spec},
            tokenizer=default_tokenizer().identity if spec.texts() else None,
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
            config = cls(**{name: content[name] for name in fields} | parts)
        except (SenseweaveError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path} does not describe a run of this release: {error}") from error
        own = default_tokenizer().identity
        if config.tokenizer is not None and config.tokenizer != own:
            raise TokenizerMismatchError(
                f"{path.parent} was trained with tokenizer {config.tokenizer}, but this release has {own}; "
                "use the release that trained it."
            )
        return config


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """A run directory that exists. Make one with `create`, come back to one with `open`.

    Args:
        path: the folder.
        config: what its config.json holds.
        is_model: whether `PPO.save` wrote it, so that it can be used, but not trained in by the commands.
    """

    path: Path
    config: RunConfig
    is_model: bool = False

    @classmethod
    def create(cls, path: str | os.PathLike[str], config: RunConfig) -> Self:
        """Starts a run in a new or empty folder.

        Raises:
            ConfigError: the folder is a file, or holds something already.
            CheckpointError: the folder cannot be written.
        """
        folder = Path(path)
        require_free(folder)
        run = cls(folder, config)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_sealed(folder / "config.json", config.to_json())
        return run

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Opens a run.

        Raises:
            CheckpointError: there is none, or its config.json is damaged or of another version.
            TokenizerMismatchError: it was trained with another tokenizer.
        """
        folder = Path(path)
        if not folder.is_dir():
            told = "is a file" if folder.exists() else "does not exist"
            raise CheckpointError(f'The run directory "{folder}" {told}; give the folder that train made (--out).')
        if not (folder / "config.json").is_file():
            raise CheckpointError(f'"{folder}" has no config.json, so it is no run; give the folder that train made.')
        if read_json(folder / "config.json").get("format") == MODEL_FORMAT:
            return cls(folder, RunConfig.of_model(SavedModel.read(folder), folder), is_model=True)
        return cls(folder, RunConfig.read(folder / "config.json"))

    def with_config(self, config: RunConfig) -> "RunDirectory":
        """The same run with a changed configuration, on disk too."""
        write_sealed(self.path / "config.json", config.to_json())
        return RunDirectory(self.path, config)

    def save_policy(self, policy: dict[str, Tensor], steps: int) -> None:
        """Writes policy.safetensors, atomically.

        Raises:
            CheckpointError: it cannot be written; the old one is still whole.
        """
        weights.write_policy(self.path, self.config.run, policy, steps)

    def load_policy(self) -> tuple[dict[str, Tensor], int]:
        """Reads the newest policy.

        Returns:
            Its tensors, and the environment steps that it was trained for.

        Raises:
            CheckpointError: it is missing, damaged, or of another run.
        """
        return weights.read_policy(self.path, self.config.run)

    def save_checkpoint(self, checkpoint: checkpoints.Checkpoint) -> None:
        """Writes a checkpoint and, after it, the policy alone.

        Raises:
            CheckpointError: one of them cannot be written; earlier checkpoints are untouched.
        """
        keep = self.config.train.keep_checkpoints
        checkpoints.save(self.path / "checkpoints", self.config.run, checkpoint, keep)
        self.save_policy(checkpoint.policy, checkpoint.steps)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Holds the run, so that two processes never train in it; the system lets go when a process dies.

        Raises:
            ConfigError: another process holds it.
        """
        try:
            import fcntl
        except ImportError:  # Windows
            yield
            return
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConfigError(
                    f"Another process is training in {self.path}; wait for it, or choose another --out."
                ) from error
            yield
        finally:
            os.close(descriptor)

    def load_checkpoint(self, tell: Callable[[str], None]) -> checkpoints.Checkpoint:
        """Reads the newest checkpoint that is whole.

        Raises:
            CheckpointError: there is none.
        """
        return checkpoints.load_newest(self.path / "checkpoints", self.config.run, tell)


def require_named_env(run: RunDirectory, env: str | None) -> None:
    """Checks that a user's own environment is named by the user, and not by the file alone: files import nothing.

    Raises:
        ConfigError: `env` is None, and the run's environment is of a user's own package, or is not known.
    """
    trained = run.config.train.env
    if env is None and trained == UNNAMED:
        raise ConfigError(f"`env` must be named, as the environments of {run.path} told no id; add --env ID.")
    if env is None and ":" in trained:
        raise ConfigError(
            f'`env` must be named again for an environment of your own; add --env "{trained}" if you trust it.'
        )


def require_free(folder: Path, *, resumes: bool = True) -> None:
    """Checks that a new run may be started in `folder`, without making it.

    Args:
        folder: where.
        resumes: whether a run that is there already could go on instead.

    Raises:
        ConfigError: it is a file, or not empty, or cannot be written to.
    """
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if os.path.lexists(parent))
    if not nearest.is_dir():
        raise ConfigError(f'The output folder must be new or empty; "{nearest}" is a file. Choose another --out.')
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(f'The output folder must be writable; "{nearest}" is not. Choose another --out.')
    if nearest == folder and any(not path.name.startswith(".") for path in folder.iterdir()):
        is_run = resumes and (folder / "config.json").exists()
        mend = "Continue it with --resume, or choose another --out." if is_run else "Choose another --out."
        raise ConfigError(f'The output folder must be new or empty; "{folder}" is not. {mend}')
