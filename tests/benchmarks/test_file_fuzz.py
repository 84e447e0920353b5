"""The campaign of damaged and hostile files: a slice of it holds, and it can fail."""

import random

import pytest

from kit.benchmarks import script, shown_columns, written_columns

SLICE = 180


@pytest.mark.slow
def test_a_slice_of_the_campaign_holds_and_its_rows_are_those_of_the_page(monkeypatch, tmp_path):
    fuzz = script(monkeypatch, "file_fuzz")
    monkeypatch.setattr("sys.argv", ["benchmarks/file_fuzz.py"])
    assert fuzz.main(["--cases", str(SLICE), "--seed", "7", "--rows", str(tmp_path)]) == 0
    assert shown_columns(monkeypatch, "file-fuzz") <= written_columns(tmp_path, "file-fuzz")


@pytest.mark.nightly
def test_ten_thousand_cases_hold(monkeypatch):
    fuzz = script(monkeypatch, "file_fuzz")
    assert fuzz.main(["--cases", "10000", "--seed", str(random.SystemRandom().randrange(10**6))]) == 0


@pytest.mark.parametrize(
    ("read", "verdict"),
    [
        ("raise ValueError", "traceback"),
        ("bytes(2**31)", "memory"),
        ("'other'", "silent"),
        ("'told other'", "told"),
        ("'as before'", "same"),
    ],
)
def test_a_reader_that_is_wrong_fails(monkeypatch, tmp_path, read, verdict):
    fuzz = script(monkeypatch, "file_fuzz")

    def act(folder):
        if read.startswith("raise"):
            raise ValueError("no")
        return eval(read)  # one of the texts above

    target = fuzz.Target(lambda folder: None, act, lambda folder, draw: "nothing")
    monkeypatch.setitem(fuzz.TARGETS, "x", target)
    monkeypatch.setattr(fuzz, "SHARES", {"bytes": 1.0})
    (tmp_path / "sound").mkdir()
    (tmp_path / "sound" / "file").write_bytes(b"content of a file")
    assert fuzz.run_case("x", 0, 0, tmp_path / "sound", "as before", tmp_path).verdict == verdict
