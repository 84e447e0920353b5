"""`senseweave live` as a person types it: results, mistakes, Ctrl-C."""

import dataclasses
import json
import signal
import time

import pytest

from kit.limits import HANG_S
from kit.live.runs import clip, commands_in, seeker, start, wait_for_lines
from senseweave.agent import cli
from senseweave.agent.live.assemble import assemble
from senseweave.agent.live.live import live
from senseweave.agent.live.report import Reporter
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.settings.live import LiveConfig
from senseweave.agent.settings.train import TrainConfig
from senseweave.agent.train.train import train
from senseweave.envs.live.rig import LiveRig
from senseweave.envs.live.sensors.instructions.phrases import common_phrases
from senseweave.envs.live.sessions.recorder import Recorder
from senseweave.perception.errors import ConfigError

__all__ = ["clip", "seeker"]


def run_cli(capsys, *words):
    """The exit status, standard output and standard error of a command."""
    status = cli.main(words)
    told = capsys.readouterr()
    return status, told.out, told.err


def test_a_policy_runs_on_a_clip_with_sound_and_a_written_instruction(capsys, seeker, clip, tmp_path):
    actions = tmp_path / "actions.jsonl"
    words = f"live --policy {seeker} --camera {clip} --microphone {clip} --actions {actions} --seconds 3 --json"
    status, out, err = run_cli(capsys, *words.split(), "--instruction", "go to the red ball")
    assert status == 0, err
    result = json.loads(out)
    assert result["ticks"] == 30 - result["overruns"] and result["seconds"] == pytest.approx(3.0, abs=0.2)
    assert set(result["presence"]) == {"audio", "camera", "instruction"}
    assert all(share > 0.9 for share in result["presence"].values()), "the clip begins again"
    assert result["instruction"] == "go to the red ball" and result["events"] >= 1
    for key in ("jitter_p50_ms", "jitter_p99_ms", "rate_hz", "wanted_hz", "work_p50_ms"):
        assert result[key] > 0, key
    lines = commands_in(actions)
    assert len(lines) == result["ticks"] and [line["tick"] for line in lines] == list(range(len(lines)))
    assert {line["name"] for line in lines} <= {"left", "right", "forward", "pickup", "drop", "toggle", "done"}


def test_another_rate_than_the_policy_was_trained_at_is_told_once(capsys, seeker, clip):
    words = f"live --policy {seeker} --camera {clip} --seconds 2 --rate 20 --json --required camera --safe-action done"
    status, out, err = run_cli(capsys, *words.split())
    assert status == 0, err
    assert err.count("The policy was trained at 10 Hz") == 1
    assert err.count("audio: the policy was trained with it, but it has no sensor here") == 1
    result = json.loads(out)
    assert result["wanted_hz"] == pytest.approx(20) and result["presence"]["audio"] == 0.0


def test_without_a_policy_the_senses_are_shown(capsys, clip):
    status, out, err = run_cli(capsys, "live", "--camera", str(clip), "--microphone", str(clip), "--seconds", "1")
    assert status == 0, err
    assert "10 ticks" in out and "camera 100.0 %" in out and "audio" in out


@pytest.mark.parametrize(("rate_hz", "age_s"), [(10, 0.3), (2, 0.75)])
def test_what_a_body_senses_holds_until_the_next_tick_however_slow(seeker, rate_hz, age_s):
    config = LiveConfig(policy=str(seeker), body="senseweave/Seek-v0", rate_hz=rate_hz)
    assert assemble(config, RunDirectory.open(seeker)).rig.max_age_s["camera"] == pytest.approx(age_s)


def test_speech_listens_for_the_missions_of_the_level_that_the_policy_was_trained_in(seeker, clip):
    pytest.importorskip("pocketsphinx", reason="needs the extra speech")
    run = RunDirectory.open(seeker)
    config = LiveConfig(policy=str(seeker), microphone=str(clip), instruction="speech")
    source = assemble(config, run).sensors["instruction"]._make_source()
    assert len(source.phrases) == 13 and {"go to the red ball", "go to the ringing object"} < set(source.phrases)
    nobody = assemble(dataclasses.replace(config, policy=None), None).sensors["instruction"]._make_source()
    assert nobody.phrases == common_phrases()


def test_speech_without_a_microphone_opens_the_default_one_for_itself(seeker):
    pytest.importorskip("pocketsphinx", reason="needs the extra speech")
    parts = assemble(LiveConfig(policy=str(seeker), instruction="speech"), RunDirectory.open(seeker))
    assert list(parts.sensors) == ["instruction"] and "instruction" in parts.lenient
    assert parts.sensors["instruction"]._make_source()._own.source == "default"


MISTAKES = [
    ("live", "There is nothing to sense; give --camera, --microphone or --instruction"),
    ("live --camera", "`--camera` expected one argument"),
    ("live --camera 93", "There is no camera 93: /dev/video93 is missing"),
    ("live --camera nowhere.mp4", 'The camera\'s file "nowhere.mp4" does not exist'),
    ("live --camera {text}", "cannot be played"),
    ("live --camera nowhere_%03d.png", 'The camera\'s file "nowhere_%03d.png" cannot be played'),
    ("live --camera gopher://x/", "A camera's address must begin with one of http"),
    ("live --microphone nowhere.wav", "nowhere.wav"),
    ("live --microphone {text}", "cannot be played"),
    ("live --camera {clip} --rate 0", "`--rate` must be in 0..1000, 0 excluded"),
    ("live --camera {clip} --max-age camera", "`--max-age` must be SENSE=SECONDS, camera=0.5, say; got 'camera'"),
    ("live --camera {clip} --max-age camera=1 --max-age camera=2", "`--max-age` must give each name once"),
    ("live --camera {clip} --max-age camra=1", '`max-age` names "camra", which has no sensor; did you mean "camera"?'),
    ("live --policy /nowhere --camera {clip}", 'The run directory "/nowhere" does not exist'),
    (
        "live --policy {run} --camera {clip} --safe-action halt",  # "left" looks like it, and is no way to halt
        '`safe_action` "halt" is no action; the actions are: left, right, forward, pickup, drop, toggle, done.',
    ),
    ("live --policy {run} --camera {clip} --required adio --safe-action done", '"adio", which has no sensor'),
    ("live --policy {run} --camera {clip} --required audio --safe-action done", '"audio", which has no sensor'),
    ("live --policy {run} --camera {clip} --actions /nowhere/a.jsonl", "Actions cannot be written to /nowhere/a.jsonl"),
    ("live --policy {run} --camera {clip} --actions udp:x", "`port` must be a whole number in 1..65535"),
    (
        "live --camera {clip} --report /nowhere/page.html",
        "`report` must be in a folder that can be written to",
    ),
    ("live --camera {clip} --record {text}", "text.mp4"),
    ("live --policy {run} --body senseweave/Seec-v0", 'The environment "senseweave/Seec-v0" is not known'),
    ("live --policy {grid} --camera {clip}", "is for a Camera, and there is none among the senses (grid, instruction)"),
    ("live --policy {grid} --instruction go", 'was trained with "grid", a Grid, which no sensor here gives'),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=[words for words, _ in MISTAKES])
def test_a_mistake_in_a_live_session_is_one_sentence_and_status_2(
    capsys, tmp_path, seeker, trained, clip, words, message
):
    text = tmp_path / "text.mp4"
    text.write_text("This is no video.")
    paths = {"text": text, "clip": clip, "run": seeker, "grid": trained}
    started_s = time.monotonic()
    status, out, err = run_cli(capsys, *(word.format_map(paths) for word in words.split()))
    assert (status, out) == (2, ""), err
    assert message in err and len(err.splitlines()) == 1, err
    assert time.monotonic() - started_s < 60  # it waits for no device, which would be for ever


def test_a_policy_whose_actions_are_numbers_is_refused_in_one_sentence(clip, tmp_path):
    train(TrainConfig(env="Pendulum-v1", steps=16, num_envs=1, evaluation_episodes=0, video=False), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"not choose one of its named actions, but numbers; drive it with LiveRig"):
        live(LiveConfig(policy=str(tmp_path / "run"), camera=str(clip)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_ctrl_c_ends_a_session_in_order(seeker, clip, tmp_path, number):
    actions = tmp_path / "actions.jsonl"
    options = ["--policy", seeker, "--camera", clip, "--actions", actions, "--json", "--safe-action", "done"]
    with start(*options) as process:
        try:
            wait_for_lines(actions, 5, process)
            process.send_signal(number)
            out, err = process.communicate(timeout=HANG_S)
        finally:
            process.kill()
    assert process.returncode == 0, err
    result = json.loads(out)
    lines = commands_in(actions)
    assert result["was_interrupted"] is True and result["ticks"] == len(lines) - 1
    assert (lines[-1]["name"], lines[-1]["is_safe"]) == ("done", True), "the last word is the safe action"
    assert "Ending; once more quits at once." in err and "Traceback" not in err


def test_the_safe_action_does_not_wait_until_files_are_finished(clip, tmp_path, monkeypatch):
    ends = []
    for part, name in ((LiveRig, "rig"), (Recorder, "recording"), (Reporter, "report")):
        close = part.close
        monkeypatch.setattr(part, "close", lambda self, name=name, close=close: ends.append(name) or close(self))
    files = {"record": str(tmp_path / "session"), "report": str(tmp_path / "report.html")}
    live(LiveConfig(camera=str(clip), seconds=0.3, **files))
    assert ends[0] == "rig" and {"recording", "report"} <= set(ends)


def test_ctrl_c_twice_quits_at_once_and_leaves_whole_lines(seeker, clip, tmp_path):
    actions = tmp_path / "actions.jsonl"
    options = ["--policy", seeker, "--camera", clip, "--actions", actions, "--rate", "0.02"]
    with start(*options) as process:  # a tick of 50 s, so that the first Ctrl-C is still being obeyed
        try:
            wait_for_lines(actions, 1, process)
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130 and "Traceback" not in err
    assert commands_in(actions)
