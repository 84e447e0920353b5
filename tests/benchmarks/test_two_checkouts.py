"""`benchmarks/two_checkouts.py`: both sides run, the same seed gives the same bits, and another seed is noticed."""

import sys

import pytest

from kit.benchmarks import script, shown_columns, written_columns

JOB = "--env senseweave/GoToObj-v0 --imitation-steps 0 --steps 128 --num-envs 2 --evaluation-episodes 0 --no-video"


@pytest.fixture
def two_checkouts(monkeypatch):
    script_ = script(monkeypatch, "two_checkouts")
    monkeypatch.setattr("sys.argv", ["benchmarks/two_checkouts.py"])
    return script_


@pytest.fixture
def before(tmp_path):
    """Another checkout, which trains with another seed where a file `seed` says so."""
    python = tmp_path / "before" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@" $(cat "{tmp_path}/seed" 2>/dev/null)\n')
    python.chmod(0o755)
    return tmp_path / "before"


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "differ"), [("", False), ("--seed 7", True)])
def test_the_same_seed_gives_the_same_bits_and_another_is_noticed(
    two_checkouts, monkeypatch, before, tmp_path, capsys, seed, differ
):
    (tmp_path / "seed").write_text(seed)
    assert two_checkouts.main([str(before), "--rounds", "1", "--train", JOB, "--rows", str(tmp_path / "rows")]) == 0
    told = capsys.readouterr().out
    count = float(next(line for line in told.splitlines() if "tensors that differ" in line).split()[-2])
    assert (count > 0) == differ
    assert written_columns(tmp_path / "rows", "two-checkouts") == shown_columns(monkeypatch, "two-checkouts")


def test_a_command_that_fails_is_told_with_what_it_said(two_checkouts, before):
    with pytest.raises(SystemExit, match="Seak"):
        two_checkouts.main([str(before), "--rounds", "1", "--train", "--env senseweave/Seak-v0"])


def test_a_folder_without_an_environment_is_refused(two_checkouts, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        two_checkouts.main([str(tmp_path)])
    assert ended.value.code == 2 and "has no .venv" in capsys.readouterr().err
