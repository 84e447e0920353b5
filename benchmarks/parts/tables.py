"""Prints rows of figures as one aligned table, and JSON as the last line where it is asked for."""

import json
import math
import os
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

ENVIRONMENT_VARIABLES = ("OMP_NUM_THREADS", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "LD_PRELOAD")
"""Settings outside the program that change how fast it is; they are part of the report."""


def tell(message: str) -> None:
    """Writes one line to standard error: progress is no result."""
    print(message, file=sys.stderr, flush=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a title and a table; the first column is flush left, all others flush right."""
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
    print(f"\n{title}")
    for row in [columns, ["-" * width for width in widths], *rows]:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *others]).rstrip())
    sys.stdout.flush()


def print_markdown(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table for a page of documentation."""
    print(f"\n{title}\n")
    for row in [columns, ["---"] * len(columns), *rows]:
        print(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |")
    sys.stdout.flush()


def each(values: Sequence[float | None], form: str, missing: float = math.inf) -> str:
    """The median and, where there are several, every figure.

    Args:
        values: None, shown as "-", is a figure that there is not.
        form: as `format` takes it.
        missing: what the median takes None for: the worst that it could be.
    """
    cells = ["-" if value is None else format(value, form) for value in values]
    if len(cells) < 2:
        return " ".join(cells) or "-"
    middle = statistics.median(missing if value is None else value for value in values)
    shown = "-" if middle == missing and None in values else format(middle, form)
    return f"{shown} ({' '.join(cells)})"


def print_json(report: Mapping[str, Any]) -> None:
    """Prints one JSON object on one line."""
    print(json.dumps(report), flush=True)


def machine(*packages: str) -> dict[str, Any]:
    """What the figures depend on: versions, cores, load, and settings outside the program."""
    versions = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "variables": {name: os.environ[name] for name in ENVIRONMENT_VARIABLES if name in os.environ},
        "versions": versions,
    }
