"""`senseweave live --replay`: a session is sensed again, bit for bit at full speed, or in the time that it took."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from kit.limits import HANG_S
from kit.live.runs import clip, seeker
from kit.live.sessions import record
from senseweave.agent import cli
from senseweave.envs.live.sessions.session import read_session

__all__ = ["clip", "seeker"]
INSTRUCTION = "go to the red ball"


@pytest.fixture(scope="module")
def recorded(seeker: Path, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session of real threads on the real clock, with a greedy policy; do not change it."""
    folder = tmp_path_factory.mktemp("recorded") / "session"
    words = ["live", "--policy", seeker, "--camera", clip, "--microphone", clip, "--instruction", INSTRUCTION]
    assert cli.main([*map(str, words), "--seconds", "2.5", "--greedy", "--record", str(folder)]) == 0
    return folder


def run(capsys, *words: object) -> dict:
    status = cli.main(["live", *map(str, words), "--json"])
    told = capsys.readouterr()
    assert status == 0, told.err
    return json.loads(told.out)


def assert_same_steps(folder: Path, other: Path) -> None:
    steps, again = list(read_session(folder)), list(read_session(other))
    assert len(steps) == len(again) > 15
    for (observation, action, info), (new_observation, new_action, new_info) in zip(steps, again, strict=True):
        assert observation.keys() == new_observation.keys()
        for name, content in observation.items():
            assert content.dtype == new_observation[name].dtype
            assert content.tobytes() == new_observation[name].tobytes(), name
        assert action == new_action and info["gates"] == new_info["gates"]
        assert info["ages_s"] == new_info["ages_s"] and info["instruction_text"] == new_info["instruction_text"]


def test_recorded_replayed_and_recorded_again_a_session_is_the_same_bit_for_bit(capsys, seeker, recorded, tmp_path):
    began_s = time.monotonic()
    words = ["--policy", seeker, "--greedy", "--record", tmp_path / "again", "--report", tmp_path / "page.html"]
    result = run(capsys, "--replay", recorded, "--full-speed", *words)
    assert_same_steps(recorded, tmp_path / "again")
    assert result["instruction"] == INSTRUCTION and result["presence"]["camera"] > 0.9
    assert result["recording"]["failure"] == result["report"]["failure"] == ""
    assert result["ticks"] == len(list(read_session(recorded)))
    assert result["seconds"] > 2 and time.monotonic() - began_s < HANG_S, "it has an end"


def test_a_replay_in_its_own_time_takes_that_time_and_senses_the_same_world(capsys, recorded, tmp_path):
    began_s = time.monotonic()
    result = run(capsys, "--replay", recorded, "--record", tmp_path / "again")
    assert time.monotonic() - began_s > 2.0
    assert result["seconds"] == pytest.approx(2.5, abs=0.6)
    before, again = (list(read_session(folder)) for folder in (recorded, tmp_path / "again"))
    frames = {observation["camera"].tobytes() for observation, _, _ in before}
    seen = [observation["camera"].tobytes() in frames for observation, _, _ in again]
    assert np.mean(seen) > 0.3, "frames between the ticks were recorded too, and may be seen now"
    assert again[-1][2]["instruction_text"] == INSTRUCTION


def test_without_a_policy_any_session_can_be_looked_at(capsys, tmp_path):
    record(tmp_path / "session.mcap", 3.0)
    result = run(capsys, "--replay", tmp_path / "session.mcap", "--full-speed", "--max-age", "audio=0.02")
    assert result["ticks"] == 30 and result["presence"]["camera"] > 0.5
    assert result["presence"]["audio"] < 0.8 and result["events_by_kind"]["absent"] >= 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--replay {folder} --camera 0", "`replay` gives every sense as it was recorded; leave out --camera."),
        ("--camera {clip} --full-speed", "`full-speed` is for recorded sessions"),
        ("--replay /nowhere", "There is no recording"),
        ("--replay {clip}", "is no recorded session"),
        ("--replay {other} --policy {run}", "replay it with the policy that was there, or without one."),
        ("--replay {folder} --max-age nose=1", '`max-age` names "nose", which was not sensed'),
    ],
)
def test_a_replay_that_cannot_be_is_one_sentence(capsys, recorded, seeker, clip, tmp_path, words, message):
    record(tmp_path / "other.mcap", 0.3)
    paths = {"folder": recorded, "clip": clip, "run": seeker, "other": tmp_path / "other.mcap"}
    status = cli.main(["live", *words.format_map(paths).split()])
    told = capsys.readouterr()
    assert (status, told.out) == (2, "") and len(told.err.splitlines()) == 1, told.err
    assert message in told.err
