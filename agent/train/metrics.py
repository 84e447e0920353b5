"""Training curves on disk: metrics.csv and TensorBoard events, as outputs of stable-baselines3's logger.

SB3's own writers start their files anew; these go on where a resumed run left off and forget what came after.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat
from torch.utils.tensorboard import SummaryWriter

from ...perception.checks.files import TABLE_BYTES, open_regular
from ...perception.errors import CheckpointError
from ...perception.files import write_atomically
from ...policies.saving.sealed import writing

COLUMNS = {
    "steps": "time/total_timesteps",
    "seconds": "senseweave/seconds",
    "steps_per_second": "senseweave/steps_per_second",
    "episodes": "senseweave/episodes",
    "success_rate": "rollout/success_rate",
    "mean_return": "rollout/ep_rew_mean",
    "mean_length": "rollout/ep_len_mean",
    "learning_rate": "train/learning_rate",
    "entropy_loss": "train/entropy_loss",
    "policy_loss": "train/policy_gradient_loss",
    "value_loss": "train/value_loss",
    "explained_variance": "train/explained_variance",
    "approx_kl": "train/approx_kl",
    "clip_fraction": "train/clip_fraction",
    "imitation_loss": "imitation/loss",
    "imitation_agreement": "imitation/agreement",
    "expert_share": "imitation/expert_share",
}
"""Column of metrics.csv -> key of SB3's logger. First what is known of a rollout, then what the update before it gave,
empty in the first row; the last three belong to imitation, which has rows of its own."""


class CsvMetrics(KVWriter):
    """Appends one row per rollout.

    Args:
        path: metrics.csv.
        steps: rows of later steps are dropped; 0 starts anew.
        columns: of the file -> key of SB3's logger; the first is "steps".

    Raises:
        CheckpointError: the file cannot be written.
    """

    def __init__(self, path: Path, steps: int, columns: Mapping[str, str] = COLUMNS) -> None:
        kept = _rows_until(path, steps, columns)
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, list(columns), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(kept)
        write_atomically(path, table.getvalue().encode())
        with writing(path):
            self._file = open(path, "a", newline="", encoding="utf-8")  # noqa: SIM115 - closed by close()
        self._path, self._columns = path, dict(columns)
        self._writer = csv.DictWriter(self._file, list(columns))

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Writes one row; called by SB3's logger."""
        row = {column: key_values.get(key, "") for column, key in self._columns.items()}
        with writing(self._path):
            self._writer.writerow({column: _short(value) for column, value in row.items()})
            self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _short(value: Any) -> Any:
    return f"{float(value):.6g}" if hasattr(value, "__float__") and not isinstance(value, int) else value


def _rows_until(path: Path, steps: int, columns: Mapping[str, str]) -> list[dict[str, str]]:
    """The rows up to a step; a row that was cut off by a crash is dropped."""
    if steps == 0 or not path.exists():
        return []
    rows = []
    try:
        with (
            open_regular(path, TABLE_BYTES) as opened,
            io.TextIOWrapper(opened, newline="", encoding="utf-8", errors="replace") as file,
        ):
            for row in csv.DictReader(file):
                if (row.get("steps") or "").isdigit() and int(row["steps"]) <= steps:
                    rows.append({column: row.get(column) or "" for column in columns})
    except (OSError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{path} cannot be read ({why}); move it away and resume again.") from error
    return rows


class _Events(TensorBoardOutputFormat):
    """SB3's TensorBoard output, which hides events of later steps that a crash left."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.writer = SummaryWriter(log_dir=str(folder), purge_step=steps + 1 if steps else None)
        self._is_closed = False


def open_logger(folder: Path, steps: int, columns: Mapping[str, str] = COLUMNS) -> Logger:
    """A logger for SB3 that writes into a run directory and prints nothing.

    Args:
        folder: the run directory.
        steps: the step that the run goes on from; 0 for a new run.
        columns: see `CsvMetrics`.

    Raises:
        CheckpointError: the folder cannot be written.
    """
    with writing(folder):
        return Logger(
            str(folder), [CsvMetrics(folder / "metrics.csv", steps, columns), _Events(folder / "tensorboard", steps)]
        )
