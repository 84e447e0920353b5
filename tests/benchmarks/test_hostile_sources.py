"""`benchmarks/hostile_sources.py`: a good camera holds, a loop that is late, heavy or loud does not."""

import pytest

from kit.benchmarks import script, shown_columns, written_columns
from kit.limits import HANG_S


@pytest.fixture
def hostile(monkeypatch):
    script_ = script(monkeypatch, "hostile_sources")
    monkeypatch.setattr("sys.argv", ["benchmarks/hostile_sources.py"])
    return script_


GOOD = {"status": 0, "rate_hz": 20.0, "overruns": 0, "present": 1.0, "peak_mb": 400.0, "seconds": 3.0, "said": ""}


@pytest.mark.parametrize(
    ("differs", "holds"),
    [
        ({}, True),
        ({"present": 0.0}, True),
        ({"rate_hz": 15.0}, False),
        ({"peak_mb": 2000.0}, False),
        ({"status": 2, "said": "The camera cannot be opened."}, True),
        ({"status": 2, "said": ""}, False),
        ({"status": 2, "said": "Traceback (most recent call last)"}, False),
        ({"status": 1, "said": "The camera cannot be opened."}, False),
        ({"status": -11}, False),
    ],
)
def test_what_holds(hostile, differs, holds):
    assert hostile.holds(GOOD | differs, megabytes=1500.0) == holds


def test_the_row_has_the_columns_of_the_page(hostile, monkeypatch, tmp_path):
    monkeypatch.setattr(hostile, "run_case", lambda name, seconds, megabytes: {"case": name, "held": True, **GOOD})
    assert hostile.main(["--rows", str(tmp_path)]) == 0
    assert written_columns(tmp_path, "hostile-sources") == shown_columns(monkeypatch, "hostile-sources")


def test_a_case_that_fails_is_a_status_of_1(hostile, monkeypatch, capsys):
    monkeypatch.setattr(hostile, "run_case", lambda name, seconds, megabytes: {"case": name, "held": False, **GOOD})
    assert hostile.main(["--cases", "resets"]) == 1
    assert "FAILED" in capsys.readouterr().err


@pytest.mark.slow
def test_a_good_camera_is_seen_and_a_server_that_resets_is_not(hostile):
    seen, reset = (hostile.run_case(name, 2.0, 1500.0) for name in ("a good camera", "resets"))
    assert seen["held"] and seen["present"] > 0.3 and seen["seconds"] < HANG_S
    assert reset["status"] == 0 and reset["present"] == 0


@pytest.mark.nightly
def test_no_server_stops_the_loop(hostile):
    assert hostile.main([]) == 0
