"""`benchmarks/serving.py --quick` ends, and writes the rows that the page of results shows."""

import json
import subprocess
import sys

import pytest

from kit.benchmarks import BENCHMARKS, shown_columns, written_columns
from kit.limits import HANG_S
from kit.live.runs import seeker

__all__ = ["seeker"]


@pytest.mark.nightly
def test_the_benchmark_of_the_server_writes_what_the_page_shows(seeker, monkeypatch, tmp_path):
    command = [
        sys.executable,
        str(BENCHMARKS / "serving.py"),
        str(seeker),
        "--quick",
        "--json",
        "--rows",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert all(row["crashes"] == 0 and row["answered after"] == 1 for (row,) in report["fuzz"].values())
    assert all(
        row["oldest action ms"] < 50 + 20
        for rows in report["faults"].values()
        for row in rows
        if row["missed"] < row["ticks"]
    )
    for table in ("serving-speed", "serving-faults", "serving-fuzz"):
        assert shown_columns(monkeypatch, table) <= written_columns(tmp_path, table)
