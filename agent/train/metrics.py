"""Training curves on disk: metrics.csv and TensorBoard events, as outputs of stable-baselines3's logger.

SB3's own writers start their files anew; these go on where a resumed run left off and forget what came after.
"""

import contextlib
import csv
import errno
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat
from torch.utils.tensorboard import SummaryWriter

from ...perception.checks.files import TABLE_BYTES, open_regular
from ...perception.errors import CheckpointError
from ...perception.files import write_atomically
from ...policies.ppo.not_finite import WORST
from ...policies.saving.sealed import writing
from ..terminal.progress import tell

HELD_OUT = {
    "held_out_success": "held_out/success_rate",
    "held_out_return": "held_out/mean_return",
    "held_out_agreement": "held_out/agreement",
    "held_out_log_likelihood": "held_out/log_likelihood",
}
"""Of episodes that training never sees: first those that are played with sampled actions, some on the way while it
imitates, all at the end; then those of the dataset that is imitated."""

BY_KIND = "held_out/success_rate_"
"""Begins TensorBoard's names of the success among instructions of one kind."""

COLUMNS = {
    "steps": "time/total_timesteps",
    "seconds": "senseweave/seconds",
    "steps_per_second": "senseweave/steps_per_second",
    "episodes": "senseweave/episodes",
    "success_rate": "rollout/success_rate",
    "mean_return": "rollout/ep_rew_mean",
    "mean_length": "rollout/ep_len_mean",
    "not_finite": WORST,
    "learning_rate": "train/learning_rate",
    "entropy": "train/entropy",
    "entropy_loss": "train/entropy_loss",
    "policy_loss": "train/policy_gradient_loss",
    "value_loss": "train/value_loss",
    "explained_variance": "train/explained_variance",
    "approx_kl": "train/approx_kl",
    "clip_fraction": "train/clip_fraction",
    "gradient_norm": "train/gradient_norm",
    "imitation_loss": "imitation/loss",
    "imitation_agreement": "imitation/agreement",
    "expert_share": "imitation/expert_share",
    "acting_steps_per_second": "time/acting_steps_per_second",
    "environment_steps_per_second": "time/environment_steps_per_second",
    "learning_steps_per_second": "time/learning_steps_per_second",
} | HELD_OUT
"""Column of metrics.csv -> key of SB3's logger. First what is known of a rollout, then what the update before it gave,
empty in the first row; then what belongs to imitation, and what held-out episodes gave, which have rows of their
own."""


class CsvMetrics(KVWriter):
    """Appends one row per rollout.

    Args:
        path: metrics.csv.
        steps: rows of later steps are dropped; 0 starts anew.
        columns: of the file -> key of SB3's logger; the first is "steps".

    A row that the disk refuses waits for the next one: curves are no reason to end a training.

    Raises:
        CheckpointError: the file cannot be written when it is opened.
    """

    def __init__(self, path: Path, steps: int, columns: Mapping[str, str] = COLUMNS) -> None:
        kept = _rows_until(path, steps, columns)
        self._columns, self._waiting = dict(columns), b""
        header = _lines(dict(zip(columns, columns, strict=True)))
        write_atomically(path, header + b"".join(_lines(row) for row in kept))
        with writing(path):
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - closed by close()
        self._size = path.stat().st_size

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Writes one row; called by SB3's logger."""
        row = {column: _short(key_values.get(key, "")) for column, key in self._columns.items()}
        self._waiting += _lines(row)
        self._flush()

    def _flush(self) -> None:
        with contextlib.suppress(OSError):
            try:
                written = self._file.write(self._waiting)
                if written < len(self._waiting):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                os.ftruncate(self._file.fileno(), self._size)  # a part of a row is none
                raise
            self._size, self._waiting = self._size + written, b""

    def close(self) -> None:
        """Closes the file."""
        if self._waiting:
            self._flush()
        self._file.close()


def _lines(row: Mapping[str, Any]) -> bytes:
    table = io.StringIO(newline="")
    csv.writer(table).writerow(row.values())
    return table.getvalue().encode()


def _short(value: Any) -> Any:
    return f"{float(value):.6g}" if hasattr(value, "__float__") and not isinstance(value, int) else value


def _rows_until(path: Path, steps: int, columns: Mapping[str, str]) -> list[dict[str, str]]:
    """The rows up to a step; a row that was cut off by a crash, or cannot be read, is dropped, and told."""
    if steps == 0 or not path.exists():
        return []
    rows, lost = [], 0
    try:
        with (
            open_regular(path, TABLE_BYTES) as opened,
            io.TextIOWrapper(opened, newline="", encoding="utf-8", errors="replace") as file,
        ):
            for row in csv.DictReader(file):
                if not (row.get("steps") or "").isdecimal() or None in row.values():
                    lost += 1
                elif int(row["steps"]) <= steps:
                    rows.append({column: row.get(column) or "" for column in columns})
    except (OSError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{path} cannot be read ({why}); move it away and resume again.") from error
    if lost:
        tell(f"{path} is damaged or was cut off: {lost:,} of its rows cannot be read, and are left out.")
    return rows


class _Events(TensorBoardOutputFormat):
    """SB3's TensorBoard output, which hides events of later steps that a crash left."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.writer = SummaryWriter(log_dir=str(folder), purge_step=steps + 1 if steps else None)
        self._is_closed = False
        self._has_failed = False

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Writes the events of one step; after the disk has refused some, none: the writer cannot go on."""
        if self._has_failed:
            return
        try:
            super().write(key_values, key_excluded, step)
        except OSError as error:
            self._has_failed = True
            tell(f"TensorBoard's events can no longer be written ({error.strerror or error}); metrics.csv goes on.")

    def close(self) -> None:
        """Closes the file."""
        with contextlib.suppress(OSError):
            super().close()


def note(logger: Logger, steps: int, figures: Mapping[str, float]) -> None:
    """Writes a row and events of their own, beside what waits for the end of a rollout."""
    values: dict[str, Any] = {"time/total_timesteps": steps, **figures}
    excluded: dict[str, tuple[str, ...]] = dict.fromkeys(values, ()) | {"time/total_timesteps": ("tensorboard",)}
    for output in logger.output_formats:
        output.write(values, excluded, steps)


def log_evaluation(folder: Path, steps: int, evaluation: Mapping[str, Any]) -> None:
    """Adds what held-out episodes gave after training to metrics.csv and TensorBoard.

    Args:
        folder: the run directory.
        steps: that the policy was trained for.
        evaluation: what `evaluate_policy` returned.

    Raises:
        CheckpointError: the folder cannot be written.
    """
    named = {
        HELD_OUT["held_out_success"]: evaluation["sampled_success_rate"],
        HELD_OUT["held_out_return"]: evaluation["sampled_mean_return"],
        "held_out/greedy_success_rate": evaluation["greedy_success_rate"],
        "held_out/greedy_mean_return": evaluation["greedy_mean_return"],
        **{f"{BY_KIND}{kind}": share for kind, share in evaluation["sampled_success_by_kind"].items()},
    }
    logger = open_logger(folder, steps)
    try:
        note(logger, steps, {name: value for name, value in named.items() if value is not None})
    finally:
        logger.close()


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
