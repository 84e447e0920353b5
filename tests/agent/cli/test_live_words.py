"""What is typed after `senseweave live`, and names that no option may have."""

import os
import sys

import pytest

from kit.live.clips import write_clip
from senseweave.agent import cli
from senseweave.agent.live.assemble import assemble
from senseweave.agent.live.live import live
from senseweave.agent.settings.live import LiveConfig
from senseweave.agent.settings.several import Addresses
from senseweave.perception.errors import ConfigError
from senseweave.perception.spec import Camera

BROKEN = os.fsdecode(b"caf\xe9")


def mistake(capsys, *words):
    status = cli.main(list(words))
    return status, capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--steps", "64", "--out", f"RUNS/{BROKEN}"),
        ("train", "--resume", f"RUNS/{BROKEN}"),
        ("pretrain", "--objective", "dcca", "--out", f"RUNS/{BROKEN}"),
        ("live", "--camera", f"RUNS/{BROKEN}.mp4"),
        ("live", "--camera", f"top=RUNS/{BROKEN}.mp4", "--camera", "wrist=0"),
        ("live", "--microphone", f"RUNS/{BROKEN}.wav"),
        ("live", "--camera", "0", "--record", f"RUNS/{BROKEN}"),
        ("live", "--camera", "0", "--report", f"RUNS/{BROKEN}.html"),
        ("live", "--camera", "0", "--policy", f"RUNS/{BROKEN}", "--actions", "a"),
        ("live", "--policy", "RUNS", "--body", "a:B", "--body-option", f"path=RUNS/{BROKEN}"),
        ("evaluate", f"RUNS/{BROKEN}"),
        ("evaluate", "RUNS", "--video", f"RUNS/{BROKEN}.mp4"),
        ("explain", "RUNS", "--report", f"RUNS/{BROKEN}.html"),
        ("watch", "senseweave/Seek-v0", "--expert", "--out", f"RUNS/{BROKEN}.mp4"),
    ],
)
def test_a_name_that_is_no_utf8_is_one_sentence_before_anything_is_written(capsys, tmp_path, words):
    status, told = mistake(capsys, *(word.replace("RUNS", str(tmp_path)) for word in words))
    assert status == 2 and "must be UTF-8" in told and told.count("\n") == 1 and "\\udce9" in told
    assert list(tmp_path.iterdir()) == []


def test_what_is_said_may_be_anything():
    assert LiveConfig(instruction=f"go to the {BROKEN}").instruction == f"go to the {BROKEN}"


def test_a_number_out_of_its_range_is_told_by_the_word_that_was_typed(capsys):
    assert "`--rate` must be in 0..1000" in mistake(capsys, "live", "--camera", "0", "--rate", "2000")[1]
    assert "`--max-age` of" in mistake(capsys, "live", "--camera", "0", "--max-age", "camera=-1")[1]


# Several cameras


def test_one_address_is_a_text_and_several_are_by_sense(tmp_path):
    read = Addresses().read
    assert read(["0"]) == "0" and read(["http://host/?a=b"]) == "http://host/?a=b"
    assert read(["top=0"]) == {"top": "0"}
    assert read(["top=0", "wrist=/dev/video1"]) == {
        "top": "0",
        "wrist": "/dev/video1",
    }


def test_a_file_whose_name_has_an_equals_sign_is_that_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.mp4").touch()
    assert Addresses().read(["a=b.mp4"]) == "a=b.mp4" and Addresses().read(["b=a.mp4"]) == {"b": "a.mp4"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a", "b"], "`--camera` is given 2 times: say for which sense, SENSE=SOURCE; got 'a'"),
        (["top=0", "1"], "`--camera` is given 2 times: say for which sense, SENSE=SOURCE; got '1'"),
        (["top=0", "top=1"], "`--camera` must give each sense once"),
    ],
)
def test_a_second_camera_is_never_silently_the_only_one(capsys, words, sentence):
    status, told = mistake(capsys, "live", *(part for word in words for part in ("--camera", word)))
    assert status == 2 and sentence in told


def test_two_cameras_are_two_senses_without_a_policy(tmp_path):
    parts = assemble(LiveConfig(camera={"top": "0", "wrist": "http://127.0.0.1:9/"}), None)
    assert dict(parts.rig.senses) == {"top": Camera(64, 64), "wrist": Camera(64, 64)}
    assert set(parts.sensors) == {"top", "wrist"} and parts.lenient == {"wrist"}
    with pytest.raises(ConfigError, match="`camera` must be a name; got 0"):
        LiveConfig(camera=0)


# Nothing to sense


def test_a_session_whose_only_source_has_ended_says_so_and_ends(monkeypatch, capfd):
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        result = live(LiveConfig(instruction="-"))
    told = capfd.readouterr().err
    assert "Standard input has ended without an instruction" in told and "Nothing is left to sense" in told
    assert result["presence"] == {"instruction": 0.0} and not result["was_interrupted"]


def test_a_session_of_two_clips_sees_both(tmp_path):
    clip = str(write_clip(tmp_path / "clip.mp4", frames=10))
    result = live(LiveConfig(camera={"top": clip, "wrist": clip}, seconds=0.3))
    assert result["presence"] == {"top": 1.0, "wrist": 1.0}
