"""`benchmarks/speech_commands.py --quick` prints what it promises; how it counts is tried on made-up trials."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kit.limits import HANG_S

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def speech_commands(monkeypatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("speech_commands")


def test_the_halves_share_no_voice_no_phrase_and_no_sentence(speech_commands):
    one, other = speech_commands.CALIBRATION, speech_commands.JUDGED
    assert not {*one.voices, *one.babblers} & {*other.voices, *other.babblers}
    assert not {*one.phrases, *one.others, *one.near} & {*other.phrases, *other.others, *other.near}
    for half in (one, other):
        assert set(half.phrases) <= set(speech_commands.grammar("common"))
        assert not {*half.others, *half.near} & set(speech_commands.grammar("common"))


def test_outcomes_are_counted_and_the_cheapest_thresholds_are_chosen(speech_commands):
    def trial(text, *heard, sort="phrases"):
        return speech_commands.Trial("common", "a voice", sort, text, "quiet", heard)

    trials = [
        trial("go to the ball", ("go to the ball", -1.0, -0.9, 0.1)),
        trial("go to a ball", ("go to the ball", -1.5, -1.2, 0.1)),
        trial("go to the box", ("go to the ball", -2.5, -1.9, 0.1)),
        trial("go to the key", ("go to the key", -0.5, -0.5, 0.0), ("open a door", -2.6, -1.9, 0.0)),
        trial("what a day", ("open a door", -2.0, -2.0, 0.1), sort="others"),
        trial("do not go to the ball", ("go to the ball", -0.5, -0.5, 0.6), sort="near"),
        trial("do not stop", ("stop", -0.5, -0.5, 0.6), sort="near"),
        trial("hello", sort="others"),
    ]
    lenient = speech_commands.counts(trials, (-9, -9, 9))
    assert dict(lenient) == {
        **{"phrases": 4, "right": 1, "article": 1, "wrong": 2},
        **{"others": 2, "others_taken": 1, "near": 2, "near_taken": 1, "stopped": 1},
    }
    assert speech_commands.cost(lenient) == 20
    chosen = speech_commands.choose(trials)
    assert chosen == (-1.5, -1.2, 0.1), "all that is right is understood, and nothing else"
    assert speech_commands.cost(speech_commands.counts(trials, chosen)) == 1, "the box"


@pytest.mark.nightly
@pytest.mark.skipif(not all(map(shutil.which, ("espeak-ng", "flite"))), reason="needs espeak-ng and flite")
@pytest.mark.skipif(importlib.util.find_spec("pocketsphinx") is None, reason="needs the extra speech")
def test_speech_commands_prints_a_table_for_each_half_and_grammar():
    command = [sys.executable, str(FOLDER / "speech_commands.py"), "--quick", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert set(report["tables"]) == {"calibration, common", "judged, common", "judged, Seek"}
    assert all(table["quiet"]["phrases"] == 2 for table in report["tables"].values())
    assert "as another phrase" in done.stdout
