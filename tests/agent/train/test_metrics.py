import contextlib
import csv
import os
import re
import termios
import time

import pytest

from senseweave.agent.terminal.progress import Progress, duration
from senseweave.agent.train.metrics import COLUMNS, open_logger
from senseweave.perception.errors import CheckpointError


def log(folder, start, *steps):
    with contextlib.closing(open_logger(folder, start)) as logger:
        for step in steps:
            logger.record("time/total_timesteps", step)
            logger.record("rollout/success_rate", step / 1000)
            logger.dump(step)


def rows_of(folder):
    with open(folder / "metrics.csv", newline="") as file:
        return [(int(row["steps"]), float(row["success_rate"])) for row in csv.DictReader(file)]


def test_a_resumed_run_keeps_the_rows_before_it_and_forgets_those_after(tmp_path):
    log(tmp_path, 0, 100, 200, 300)
    log(tmp_path, 200, 250, 350)
    assert rows_of(tmp_path) == [(100, 0.1), (200, 0.2), (250, 0.25), (350, 0.35)]
    log(tmp_path, 0, 50)
    assert rows_of(tmp_path) == [(50, 0.05)]


@pytest.mark.parametrize("tail", ["300,1", "300", "\x00\x00", "x,y,z\n", "\xff" * 50, "\n\n"])
def test_a_row_that_was_cut_off_by_a_crash_is_dropped(tmp_path, tail):
    log(tmp_path, 0, 100, 200)
    with open(tmp_path / "metrics.csv", "a", encoding="latin-1") as file:
        file.write(tail)
    log(tmp_path, 200, 400)
    assert rows_of(tmp_path) == [(100, 0.1), (200, 0.2), (400, 0.4)]


@pytest.mark.parametrize(
    ("damaged", "lost"),
    [(b"\x00\xfe\n1\n2\n", 2), (b"my,notes\n1,2\n", 1), (b"steps,success_rate\n\xb2,0.1\n2\n", 2)],
)
def test_rows_that_are_lost_are_told(tmp_path, capsys, damaged, lost):
    (tmp_path / "metrics.csv").write_bytes(damaged)
    log(tmp_path, 200, 400)
    assert rows_of(tmp_path) == [(400, 0.4)]
    assert f"{lost} of its rows cannot be read, and are left out." in capsys.readouterr().err


def test_tensorboard_gets_the_same_curve_and_hides_what_a_resumed_run_forgot(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log(tmp_path, 0, 100, 200, 300)
    time.sleep(1.01)  # TensorBoard sorts its files by the second, and then by a number whose 10 comes before its 9
    log(tmp_path, 200, 250)
    events = EventAccumulator(str(tmp_path / "tensorboard"), purge_orphaned_data=True)
    events.Reload()
    assert [event.step for event in events.Scalars("rollout/success_rate")] == [100, 200, 250]


def test_a_metrics_file_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "metrics.csv").mkdir()
    with pytest.raises(CheckpointError, match="metrics.csv"):
        open_logger(tmp_path, 0)


def test_the_columns_are_named_for_people():
    assert list(COLUMNS)[:6] == ["steps", "seconds", "steps_per_second", "episodes", "success_rate", "mean_return"]


def test_progress_in_a_log_file_is_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr("senseweave.agent.terminal.progress.LOG_EVERY_S", 0.0)
    with Progress(1000, "steps", done=500) as progress:
        progress.advance(250, "success 0.50")
    told = capsys.readouterr()
    assert told.out == "" and re.fullmatch(r" 75%  750/1,000 steps  [\d,]+/s  \d+ s left  success 0\.50\n", told.err)


def test_progress_on_a_terminal_is_a_bar_with_success_speed_and_time_left(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with Progress(1000, "steps") as progress:
        progress.advance(990, "success 0.50")
        progress.advance(16, "success 0.75")
    told = capsys.readouterr().err
    assert "100%" in told and "1,000/1,000 steps" in told and "success 0.75" in told and "left" in told


def _everything_of(reader: int) -> str:
    """What a terminal was shown, whose other end is closed; a read brings one chunk of it."""
    chunks = []
    with os.fdopen(reader, "rb", buffering=0) as terminal, contextlib.suppress(OSError):
        while chunk := terminal.read(65536):
            chunks.append(chunk)
    return b"".join(chunks).decode()


@pytest.mark.parametrize("note", ["success 0.50", "imitates the expert, agreement 0.50, held out 0.50"])
def test_eighty_columns_hold_the_share_the_speed_and_the_time_left_whatever_stands_behind(monkeypatch, note):
    reader, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    with os.fdopen(terminal, "w") as stream:
        monkeypatch.setattr("sys.stderr", stream)
        with Progress(750_000, "steps") as progress:
            time.sleep(0.3)  # tqdm draws no more often than it was told
            progress.advance(737_280, note)
    told = _everything_of(reader)
    lines = [line for line in re.split(r"[\r\n]+", told) if "737,280" in line]
    assert lines and all(len(line) <= 80 for line in lines)
    assert re.search(r"98% .*737,280/750,000 steps .*/s  \d\d:\d\d left", lines[-1])


@pytest.mark.parametrize(("seconds", "told"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min 01 s"), (7500, "2 h 05 min")])
def test_durations_are_for_people(seconds, told):
    assert duration(seconds) == told
