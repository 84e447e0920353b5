"""A run directory: everything that one training run leaves, in files that notice damage.

config.json says what was trained (`config.py`), policy.safetensors holds the newest policy, checkpoints/ what resuming
needs; metrics.csv, TensorBoard events and video.mp4 are for people. Every trainer writes one, every command reads one;
no file is ever executed, unpickled or imported from.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from torch import Tensor

from ...perception.errors import CheckpointError, ConfigError
from ...perception.files import read_json
from ...policies.saving import checkpoint as checkpoints
from ...policies.saving import weights
from ...policies.saving.model_config import FORMAT as MODEL_FORMAT
from ...policies.saving.model_config import SavedModel
from ...policies.saving.sealed import create_sealed, held_folder, write_sealed, writing
from .config import RunConfig
from .present import require_run
from .readers import PolicyReader, SavedModelReader


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """A run directory that exists. Make one with `create`, come back to one with `open`.

    Args:
        path: the folder.
        config: what its config.json holds.
        reader: how its policy is read: `train` wrote the folder, or `PPO.save` did.
    """

    path: Path
    config: RunConfig
    reader: PolicyReader = dataclasses.field(default_factory=PolicyReader)

    @classmethod
    def create(cls, path: str | os.PathLike[str], config: RunConfig) -> Self:
        """Starts a run in a new or empty folder; of several processes that try at one moment, one succeeds.

        Raises:
            ConfigError: the folder is a file, holds something already, or another process is about to use it.
            CheckpointError: the folder cannot be written.
        """
        folder = Path(path)
        require_free(folder)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with held_folder(folder) as is_held:
            if is_held:
                require_free(folder)
            if not is_held or not create_sealed(folder / "config.json", config.to_json()):
                raise ConfigError(f'Another process is starting a run in "{folder}"; choose another --out.')
        return cls(folder, config)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Opens a run.

        Raises:
            CheckpointError: there is none, or its config.json is damaged or of another version.
            TokenizerMismatchError: it was trained with another tokenizer.
        """
        folder = require_run(path)
        if read_json(folder / "config.json").get("format") == MODEL_FORMAT:
            return cls(folder, RunConfig.of_model(SavedModel.read(folder), folder), SavedModelReader())
        return cls(folder, RunConfig.read(folder / "config.json"))

    def with_config(self, config: RunConfig) -> Self:
        """The same run with a changed configuration, on disk too."""
        write_sealed(self.path / "config.json", config.to_json())
        return dataclasses.replace(self, config=config)

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
        """Locks the run, so that two processes never train in it; the system unlocks it when a process dies.

        Raises:
            ConfigError: another process holds it.
        """
        with held_folder(self.path) as is_held:
            if not is_held:
                raise ConfigError(f"Another process is training in {self.path}; wait for it, or choose another --out.")
            yield

    def load_checkpoint(self, tell: Callable[[str], None]) -> checkpoints.Checkpoint:
        """Reads the newest checkpoint that is whole.

        Raises:
            CheckpointError: there is none.
        """
        return checkpoints.load_newest(self.path / "checkpoints", self.config.run, tell)


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
        advice = "Continue it with --resume, or choose another --out." if is_run else "Choose another --out."
        raise ConfigError(f'The output folder must be new or empty; "{folder}" is not. {advice}')
