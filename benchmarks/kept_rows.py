"""Rows of figures that survive a stop: one file each, written whole, and taken up by the same command again."""

import json
import os
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tables import tell

Row = dict[str, Any]


def kept_row(path: Path, task: Row, run: Callable[[], Row]) -> Row:
    """The row of a task: from its file, where that is of the same task, or from a run.

    Args:
        path: of the file; several processes may share its folder.
        task: everything that decides the figures.
        run: gives them.
    """
    if path.exists() and (row := json.loads(path.read_text(encoding="utf-8")))["task"] == task:
        tell(f"{path} is finished already")
        return row
    tell(", ".join(f"{name} {value}" for name, value in task.items()))
    row = {"task": task} | run()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".part{os.getpid()}")
    part.write_text(json.dumps(row) + "\n", encoding="utf-8")
    os.replace(part, path)
    return row


def each_seed(values: list[float], form: str) -> str:
    """The median and, in parentheses, every value, where there are several."""
    each = " ".join(format(value, form) for value in values)
    return each if len(values) == 1 else f"{format(statistics.median(values), form)} ({each})"
