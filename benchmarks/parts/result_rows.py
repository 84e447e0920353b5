"""Rows of docs/results.md: what a benchmark found, with its command, date and machine; one JSON file for each table.

A benchmark calls `add_option` on its parser and `write_results` at its end; results_page.py makes the page.
"""

import argparse
import dataclasses
import datetime
import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from senseweave.perception.files import write_atomically

from .tables import tell

RESULTS = Path(__file__).resolve().parents[1] / "results"
PLACES = 4
"""Figures below 1000 are rounded to so many decimal places."""


@dataclasses.dataclass(frozen=True)
class Result:
    """One row of a table.

    Args:
        what: what was measured; names the row within its table.
        figures: column -> one figure for each seed, run or round; None is a goal that was not reached.
        seeds: those of the figures; empty where nothing is random.
        command: that was run, without what only says where files go.
        date: on which it ended, year-month-day.
        machine: on which it ran.
    """

    what: str
    figures: Mapping[str, Sequence[float | None]]
    seeds: Sequence[int] = ()
    command: str = ""
    date: str = ""
    machine: str = ""


def add_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--rows [DIR]`."""
    parser.add_argument(
        "--rows",
        nargs="?",
        type=Path,
        const=RESULTS,
        metavar="DIR",
        help="write the rows of docs/results.md, by default into benchmarks/results; then run results_page.py",
    )


def write_results(options: argparse.Namespace, table: str, results: Sequence[Result]) -> None:
    """Writes rows of a table where `--rows` asks for it; rows of other names stay as they are.

    Args:
        options: of the command line, with what `add_option` adds.
        table: name of the file, without ".json".
        results: without command, date and machine, which are filled in here.
    """
    if options.rows is None or not results:
        return
    if options.rows == RESULTS and getattr(options, "quick", False):
        tell("--quick: these figures mean nothing, so docs/results.md keeps its own; name another folder for the rows")
        return
    origin = {
        "command": command_line(sys.argv),
        "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        "machine": describe_machine(),
    }
    path = options.rows / f"{table}.json"
    rows = {row.what: row for row in (read_results(path) if path.exists() else [])}
    rows |= {row.what: dataclasses.replace(row, figures=_rounded(row.figures), **origin) for row in results}
    write_atomically(path, to_json(list(rows.values())).encode())
    tell(f"wrote {len(results)} rows into {path}")


def read_results(path: Path) -> list[Result]:
    """The rows of a table, in their order."""
    return [Result(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def to_json(results: Sequence[Result]) -> str:
    """A JSON list, one row a line, so that a change of one row is one line of a diff."""
    return "[\n" + ",\n".join(json.dumps(dataclasses.asdict(row)) for row in results) + "\n]\n"


def command_line(arguments: Sequence[str]) -> str:
    """The command as a user would type it at the root of the repository, without `--rows`, `--keep` and `--json`."""
    words = [word for word in arguments[1:] if word != "--json" and not word.startswith(("--rows=", "--keep="))]
    for option in ("--rows", "--keep"):
        if option in words:
            place = words.index(option)
            has_folder = place + 1 < len(words) and not words[place + 1].startswith("-")
            del words[place : place + 1 + has_folder]
    return shlex.join(["python", f"benchmarks/{Path(arguments[0]).name}", *words])


def describe_machine() -> str:
    """Processor, versions and load in one line."""
    load = f", load {os.getloadavg()[0]:.0f}" if hasattr(os, "getloadavg") else ""
    versions = f"Python {platform.python_version()}, torch {metadata.version('torch')}"
    return f"{os.cpu_count()} x {_processor()}, {versions}{load}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())


def _rounded(figures: Mapping[str, Sequence[float | None]]) -> dict[str, list[float | None]]:
    return {
        column: [None if value is None else round(value, PLACES if abs(value) < 1000 else 0) for value in values]
        for column, values in figures.items()
    }
