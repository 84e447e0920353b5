"""The comparison of trainers: what it counts, what it does with peers that fail, and a short run of two of them."""

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kit.limits import HANG_S

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def process(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("contenders.trainer_process")


def _episodes(successes, steps=10, began=100.0):
    return [
        {"event": "episode", "time": began + number, "steps": steps, "success": success}
        for number, success in enumerate(successes)
    ]


MARKS = [{"event": "mark", "time": 101.0, "frames": 1000}, {"event": "mark", "time": 103.0, "frames": 5000}]


def test_a_goal_is_reached_with_200_episodes_and_not_before(process):
    start = {"event": "start", "time": 100.0}
    figures = process.figures_of([start, *_episodes([True] * 199), *MARKS], began=90.0)
    assert figures["seconds_to_99"] is None
    figures = process.figures_of([start, *_episodes([False] * 7 + [True] * 250), *MARKS], began=90.0)
    # 10 failures of 200 are allowed for 95 %, 6 for 97 %, 2 for 99 %: the first failures must have left the window
    assert (figures["seconds_to_95"], figures["frames_to_95"]) == (199.0, 2000)
    assert (figures["seconds_to_97"], figures["frames_to_97"]) == (200.0, 2010)
    assert (figures["seconds_to_99"], figures["frames_to_99"]) == (204.0, 2050)


def test_speed_leaves_out_all_before_the_first_update(process):
    figures = process.figures_of([{"event": "start", "time": 95.0}, *MARKS], began=90.0)
    assert figures["frames_per_second"] == 2000.0
    assert figures["first_update_s"] == 11.0
    with pytest.raises(process.ContenderError, match="--frames"):
        process.figures_of(MARKS[:1], began=90.0)
    later = [*MARKS, {"event": "mark", "time": 104.0, "frames": 9000}]
    figures = process.figures_of(later, began=90.0, uncounted=2000)
    assert (figures["frames_per_second"], figures["first_update_s"]) == (4000.0, 13.0)


def _command(process, tmp_path, code, limit_s=60.0):
    (tmp_path / "contender.py").write_text(code)
    return process.Command(Path(sys.executable), str(tmp_path / "contender.py"), limit_s)


def test_memory_is_that_of_all_processes_of_a_contender(process, tmp_path):
    code = """
import json, subprocess, sys, time
child = "import time; held = bytes(range(256)) * 400_000; time.sleep(2)"
subprocess.run([sys.executable, "-c", child])
with open(json.loads(sys.argv[1])["log"], "w") as log:
    for time_, frames in ((1, 1), (2, 2)):
        print(json.dumps({"event": "mark", "time": time_, "frames": frames}), file=log)
"""
    figures = process.run_task(_command(process, tmp_path, code), {})
    assert 100 < figures["peak_mb"] < 400  # 98 MB are the child's


def test_a_contender_that_fails_says_why_and_one_that_hangs_is_ended_with_its_children(process, tmp_path):
    with pytest.raises(process.ContenderError, match="ValueError: no such thing"):
        process.run_task(_command(process, tmp_path, "raise ValueError('no such thing')"), {})
    mark = tmp_path / "beats"
    code = f"""
import subprocess, sys, time
child = "import time\\nwhile True: open({str(mark)!r}, 'a').write('.'); time.sleep(0.05)"
subprocess.run([sys.executable, "-c", child])
"""
    with pytest.raises(process.ContenderError, match="minutes"):
        process.run_task(_command(process, tmp_path, code, limit_s=3.0), {})
    beats = mark.stat().st_size if mark.exists() else 0
    time.sleep(0.3)
    assert (mark.stat().st_size if mark.exists() else 0) == beats


@pytest.mark.slow
def test_trainers_compares_what_is_here_and_gives_the_reason_for_what_is_not(tmp_path):
    peers = ["senseweave", "cleanrl", "rllib"]
    command = [sys.executable, str(BENCHMARKS / "trainers.py"), "--quick", "--json", "--only", *peers]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], capture_output=True, text=True, timeout=HANG_S, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = {row["contender"]: row for row in json.loads(done.stdout.splitlines()[-1])["sections"]["level"]}
    assert list(rows) == peers
    ours, loop = rows["senseweave"], rows["cleanrl"]
    assert ours["parameters"] == loop["parameters"]
    assert ours["frames"] == loop["frames"] == 512
    assert ours["frames_per_second"] > 0
    assert ours["peak_mb"] > 100
    if importlib.util.find_spec("ray") is None:
        assert "No module named 'ray'" in rows["rllib"]["error"]
        assert "No module named 'ray'" in done.stdout


SMALL = {"num_envs": 64, "n_steps": 32, "batch_size": 2048, "epochs": 1}


def _search(tmp_path, *variants):
    tries = [part for variant in variants for part in ("--try", json.dumps(variant))]
    command = [sys.executable, str(BENCHMARKS / "trainer_search.py"), "--seeds", "7", *tries, "--out", str(tmp_path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)


@pytest.mark.slow
def test_the_search_ends_a_run_at_its_goal_and_keeps_what_it_found(tmp_path):
    easy, brief = SMALL | {"stop_at": 0.01}, SMALL | {"frames": 4096}
    done = _search(tmp_path, easy, brief)
    assert done.returncode == 0, done.stderr
    rows = {row["task"]["stop_at"]: row for row in map(json.loads, (path.read_text() for path in tmp_path.iterdir()))}
    assert 200 <= rows[0.01]["episodes"] < 400
    assert rows[0.01]["frames"] < rows[0.01]["task"]["frames"]
    assert rows[0.97]["frames"] == 4096
    assert any(
        line.startswith(json.dumps(brief)) and line.split()[-3:-1] == ["-", "-"] for line in done.stdout.splitlines()
    )
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert _search(tmp_path, brief).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept


def test_the_search_refuses_fields_that_a_task_does_not_have(tmp_path):
    done = _search(tmp_path, {"learning": 1})
    assert done.returncode == 2
    assert "must be an object with names of" in done.stderr


def test_a_median_counts_what_was_not_reached_as_the_worst(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    each = importlib.import_module("parts.tables").each
    assert each([None, 1.0, 2.0], ".0f") == "2 (- 1 2)"
    assert each([None, None, 2.0], ".0f") == "- (- - 2)"
    assert each([None, 3.0, 4.0], ".1f", 0.0) == "3.0 (- 3.0 4.0)"
    assert each([3.0], ".1f") == "3.0"


def test_schedules_come_to_their_end_before_the_frames_do_where_the_task_says_so(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    task = importlib.import_module("contenders.trainer_task").Task(
        "sb3", "Seek", frames=100, seed=0, log="", schedule=50
    )
    assert [task.falling(1.0, 0.5, frames) for frames in (0, 25, 50, 100, 110)] == [1.0, 0.75, 0.5, 0.5, 0.5]
