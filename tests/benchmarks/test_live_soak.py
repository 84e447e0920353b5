"""`benchmarks/live_soak.py`: half an hour without a missed tick and without growth, and how it judges."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from kit.live.runs import seeker

__all__ = ["seeker"]
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it reads /proc")


def soak(seeker: Path, *words: str, timeout_s: float) -> tuple[subprocess.CompletedProcess[str], dict]:
    command = [sys.executable, str(BENCHMARKS / "live_soak.py"), str(seeker), "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.stdout, done.stderr
    return done, json.loads(done.stdout.splitlines()[-1])


@LINUX
@pytest.mark.nightly
def test_a_quick_soak_lets_devices_fail_and_come_back(seeker):
    done, row = soak(seeker, "--quick", timeout_s=200)
    assert done.returncode == 0, done.stderr
    assert row["failures"] == ["4 s: the camera raises", "8 s: the microphone raises", "12 s: the camera is silent"]
    assert row["events"]["failed"] == 2 and row["at_end"]["threads"] > 2 and row["recording_mb"] > 0.1


@LINUX
@pytest.mark.nightly
@pytest.mark.timeout(2400)
def test_for_half_an_hour_no_tick_is_missed_and_nothing_is_gathered(seeker):
    done, row = soak(seeker, timeout_s=2300)
    assert done.returncode == 0, row["wrong"]
    assert row["ticks"] + row["overruns"] >= 17_990 and len(row["failures"]) >= 40


@LINUX
def test_a_soak_is_judged_by_memory_threads_handles_and_ticks(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("live_soak", BENCHMARKS / "live_soak.py")
    live_soak = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(live_soak)
    still = {"resident_mb": 400.0, "threads": 20, "handles": 9}
    row = {
        "missed": {"the loop's own work": 0, "unexplained": 0, "the machine": 7},
        "at_mark": still,
        "at_end": still | {"resident_mb": 404.9},
        "events": {"absent": 3, "back": 3},
        "recording_failure": "",
        "report_failure": "",
    }
    assert live_soak.verdict(row) == []
    for change, word in (
        ({"missed": row["missed"] | {"unexplained": 1}}, "1 ticks were missed"),
        ({"missed": row["missed"] | {"the loop's own work": 2}}, "2 ticks were missed"),
        ({"at_end": still | {"resident_mb": 405.0}}, "grew by 5.0 MB"),
        ({"at_end": still | {"threads": 21}}, "21 at the end"),
        ({"at_end": still | {"handles": 10}}, "10 at the end"),
        ({"events": {"absent": 3, "back": 2}}, "did not come back"),
        ({"recording_failure": "The disk is full."}, "The disk is full."),
    ):
        (told,) = live_soak.verdict(row | change)
        assert word in told
