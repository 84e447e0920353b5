"""Rows of figures that survive a stop: one file each, written whole, and taken up by the same command again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from senseweave.perception.files import write_atomically

from .tables import tell

Row = dict[str, Any]


def kept_row(path: Path, task: Row, run: Callable[[], Row]) -> Row:
    """The row of a task: from its file, where that is of the same task, or from a run.

    Args:
        path: of the file; several processes may share its folder.
        task: everything that decides the figures.
        run: gives them.
    """
    if (row := read_row(path)) and row["task"] == task:
        tell(f"{path} is finished already")
        return row
    tell(", ".join(f"{name} {value}" for name, value in task.items()))
    row = {"task": task} | run()
    write_row(path, row)
    return row


def read_row(path: Path) -> Row | None:
    """The row of a file; None where there is no file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def write_row(path: Path, row: Row) -> None:
    """Writes a row whole, so that a stop at any moment leaves the file as it was."""
    write_atomically(path, f"{json.dumps(row)}\n".encode())
