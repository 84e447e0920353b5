"""Benchmarks as tests run them: their scripts' folder, and the rows that they write for docs/results.md."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def script(monkeypatch: pytest.MonkeyPatch, name: str) -> ModuleType:
    """A script of benchmarks/ as a module; they import each other as from that folder."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module(name)


def written_columns(folder: Path, table: str) -> set[str]:
    """The columns of the rows that `--rows folder` wrote; each row has a command, a date and a machine."""
    rows = json.loads((folder / f"{table}.json").read_text(encoding="utf-8"))
    assert all(row["command"].startswith("python benchmarks/") and row["date"] and row["machine"] for row in rows)
    return {column for row in rows for column in row["figures"]}


def shown_columns(monkeypatch: pytest.MonkeyPatch, table: str) -> set[str]:
    """The columns that docs/results.md shows of a table."""
    sections = script(monkeypatch, "parts.questions").SECTIONS
    (question,) = [one for questions in sections.values() for one in questions if one.table == table]
    return set(question.columns)
