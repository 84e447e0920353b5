"""`benchmarks/live_jitter.py --quick` ends and prints what it promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kit.limits import HANG_S
from kit.live.runs import seeker

__all__ = ["seeker"]
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "live_jitter.py"


@pytest.mark.nightly
def test_live_jitter_prints_a_row_for_each_rate(seeker):
    command = [sys.executable, str(SCRIPT), str(seeker), "--quick", "--bare", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])["rows"]
    assert [round(row["wanted_hz"]) for row in rows] == [30, 10]
    assert all(row["presence"]["camera"] > 0.5 and row["presence"]["instruction"] == 1.0 for row in rows)
    assert all(
        row["ticks"] + row["overruns"] >= 2 * row["wanted_hz"] - 1 and row["timer_ms"]["p99"] >= 0 for row in rows
    )
