"""`senseweave export` as a person types it, and the commands that take what it wrote."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kit import without_torch
from kit.live.runs import clip, commands_in, seeker
from senseweave.agent import cli
from senseweave.agent.evaluate.watch import watch
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.runs.exported import ExportedRun
from senseweave.agent.settings.watch import WatchConfig
from senseweave.policies.export import load_exported

__all__ = ["clip", "seeker"]

pytest.importorskip("onnxruntime", reason="needs the extra onnx")
COMMAND = [sys.executable, "-P", "-m", "senseweave.agent.cli"]
WITHOUT_TORCH = {"PYTHONPATH": str(Path(list(without_torch.__path__)[0]))}


def command(*words, **environment):
    done = subprocess.run(
        [*COMMAND, *map(str, words)], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="session")
def exported(seeker, tmp_path_factory) -> Path:
    """The seeker's policy in ONNX, made by the command; do not change it."""
    folder = tmp_path_factory.mktemp("exported") / "robot"
    status, out, err = command("export", seeker, "--out", folder, "--json")
    assert status == 0, err
    result = json.loads(out.splitlines()[-1])
    assert result["to"] == "onnx" and result["inputs"]["camera"] == ["uint8", 64, 64, 3]
    assert result["outputs"] == ["state", "gates", "logits", "value"] and result["difference"] < 1e-5
    assert set(result["bytes"]) == {"model.onnx", "tokenizer.json"} and result["bytes"]["model.onnx"] > 100_000
    return folder


def test_the_folder_tells_what_the_run_tells(seeker, exported):
    run, other = RunDirectory.open(seeker), ExportedRun.open(exported)
    for field in ("spec", "step_s", "action_names", "max_age_s", "run"):
        assert getattr(other.config, field) == getattr(run.config, field), field
    assert (other.config.train.env, other.config.train.env_options) == (
        run.config.train.env,
        run.config.train.env_options,
    )
    assert other.chooses_one_action


def test_an_evaluation_of_it_is_that_of_the_run(seeker, exported, capsys):
    told = []
    for folder in (seeker, exported):
        assert cli.main(["evaluate", str(folder), "--episodes", "12", "--json"]) == 0
        told.append(json.loads(capsys.readouterr().out))
    same = ("env", "episodes", "steps", "sampled_success_rate", "greedy_success_rate", "mean_return", "trained_steps")
    assert {name: told[0][name] for name in same} == {name: told[1][name] for name in same}


def test_a_film_shows_its_gates(exported, tmp_path):
    result = watch(WatchConfig(policy=str(exported), episodes=1, out=str(tmp_path / "film.mp4"), without=("camera",)))
    assert result["player"] == "policy" and result["steps"] > 0 and (tmp_path / "film.mp4").stat().st_size > 1000


def test_a_loop_on_a_clip_needs_no_torch(exported, clip, tmp_path):
    actions = tmp_path / "actions.jsonl"
    words = f"live --policy {exported} --camera {clip} --microphone {clip} --seconds 2 --json --actions {actions}"
    more = ["--record", tmp_path / "recording", "--report", tmp_path / "page.html"]
    status, out, err = command(*words.split(), "--instruction", "go to the red ball", *more, **WITHOUT_TORCH)
    assert status == 0, err
    result = json.loads(out.splitlines()[-1])
    assert result["ticks"] == 20 - result["overruns"] and result["instruction"] == "go to the red ball"
    assert all(share > 0.7 for share in result["presence"].values()), result["presence"]
    names = {line["name"] for line in commands_in(actions)}
    assert names <= {"left", "right", "forward", "pickup", "drop", "toggle", "done"} and names
    assert (tmp_path / "page.html").exists() and list((tmp_path / "recording").iterdir())


def test_the_process_without_torch_really_has_none(seeker, clip):
    status, _, err = command("live", "--policy", seeker, "--camera", clip, "--seconds", "1", **WITHOUT_TORCH)
    assert status != 0 and "torch" in err


def test_a_body_moves_by_it(exported, capsys):
    assert cli.main(f"live --policy {exported} --body senseweave/Seek-v0 --rate 20 --seconds 1 --json".split()) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["ticks"] > 5 and result["body"]["env"] == "senseweave/Seek-v0" and result["presence"]["camera"] > 0.7


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("export {exported}", "was exported already"),
        ("export {seeker} --to onx", 'did you mean "onnx"'),
        ("export {seeker}/nowhere", "does not exist"),
        ("explain {exported}", "no config.json"),
        ("evaluate {exported} --env CartPole-v1", "none of the senses"),
        ("train --resume {exported}", "config.json"),
    ],
)
def test_mistakes_are_one_sentence(capsys, seeker, exported, words, told):
    assert cli.main(words.format(seeker=seeker, exported=exported).split()) == 2
    assert told in capsys.readouterr().err


def test_a_torch_file_is_no_policy_for_the_commands(seeker, tmp_path, capsys):
    status, out, err = command("export", seeker, "--to", "torch", "--out", tmp_path / "torch")
    assert status == 0, err
    assert "model.pt2" in out and "next" not in out
    assert cli.main(["evaluate", str(tmp_path / "torch"), "--episodes", "2"]) == 2
    assert "can run code when it is opened" in capsys.readouterr().err
    assert load_exported(tmp_path / "torch", trusts_code=True).act({}, greedy=True).action.shape == ()


def test_a_saved_perception_is_exported_too(seeker, tmp_path):
    from senseweave.perception import Perception

    Perception.from_pretrained(seeker).save_pretrained(tmp_path / "senses")
    status, out, err = command("export", tmp_path / "senses")
    assert status == 0, err
    assert str(tmp_path / "senses" / "onnx") in out and "out   state, gates" in out
    assert load_exported(tmp_path / "senses" / "onnx").perceive({"instruction": "go"}).state.shape == (128,)


def test_the_example_runs_the_files_by_hand(exported):
    script = Path(__file__).parents[3] / "examples" / "exported_loop.py"
    command = [sys.executable, str(script), str(exported), "6"]
    done = subprocess.run(command, env=os.environ | WITHOUT_TORCH, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 6 and all("audio 0.00" in line and "instruction 0.00" not in line for line in lines)
    assert [("camera 0.00" in line) for line in lines] == [False] * 3 + [True] * 3
