"""The campaign of faults and kills: a slice of it holds and goes on where it was stopped, and it can fail."""

import json
import random

import pytest

from kit.benchmarks import script, shown_columns, written_columns


@pytest.fixture
def survival(monkeypatch):
    survival = script(monkeypatch, "survival")
    monkeypatch.setattr("sys.argv", ["benchmarks/survival.py"])
    return survival


@pytest.mark.slow
def test_a_slice_of_the_campaign_holds_and_is_not_tried_again(survival, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(survival, "FAULTS", survival.FAULTS[:1])
    words = ["--quick", "--out", str(tmp_path / "kept"), "--rows", str(tmp_path / "rows"), "--json"]
    assert survival.main(words) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert first["faults"][survival.FAILS] == {"faults": 1, "named": 1, "kept": 1, "same end": 1}
    assert [row["kills"] for row in first["killed"].values()] == [1]
    for table in ("killed", "faults"):
        assert written_columns(tmp_path / "rows", table) == shown_columns(monkeypatch, table)
    monkeypatch.setattr(survival, "run", None)
    assert survival.main(words) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == first


def test_an_end_that_differs_is_lost(survival, monkeypatch, tmp_path):
    campaign = survival.Campaign(tmp_path, tmp_path / "kept", 0)
    for name, value in {
        "run": lambda words, told, **variables: told.write_text("Environment 2 its step 50") and 0,
        "reached": lambda path: survival.ROLLOUT,
        "difference": lambda one, other: ["policy"],
    }.items():
        monkeypatch.setattr(survival, name, value)
    row = campaign.fault("RuntimeError")
    assert (row["kept"], row["named"], row["same end"]) == (1, 0, 0) and len(row["lost"]) == 1


@pytest.mark.nightly
def test_a_hundred_kills_and_every_fault_lose_nothing(survival, tmp_path):
    seed = str(random.SystemRandom().randrange(10**6))
    assert survival.main(["--kills", "100", "--seed", seed, "--out", str(tmp_path / "kept")]) == 0
