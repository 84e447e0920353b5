"""Agents that ship with the package: put there whole, found by their names, and told of where there are none."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from senseweave.agent.cli.commands.train import TrainOptions
from senseweave.agent.evaluate.evaluate import evaluate, evaluate_policy, evaluate_without_each
from senseweave.agent.export.export import export_run
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.runs.policies import open_run
from senseweave.agent.runs.present import place_for_outputs, require_run
from senseweave.agent.runs.results import read_results, write_results
from senseweave.agent.settings.evaluate import EvaluateConfig
from senseweave.agent.settings.export import ExportConfig
from senseweave.agent.share import put_in_the_box
from senseweave.agent.share.__main__ import main
from senseweave.agent.share.parcel import pack
from senseweave.perception import Perception, Spec, Vector
from senseweave.perception.errors import CheckpointError, ConfigError
from senseweave.perception.sharing import shipped
from senseweave.policies.saving.sealed import write_sealed

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with results, that named a folder of this machine; do not change it."""
    folder = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(GOLDEN / "trained", folder)
    run, policy, steps, env_id, options = open_run(EvaluateConfig(run=str(folder), device="cpu"))
    evaluation = evaluate_policy(policy, env_id, options, episodes=4, num_envs=4)
    evaluation["without_each"] = evaluate_without_each(policy, env_id, options, 4)
    write_results(run, steps, evaluation)
    content = json.loads((folder / "config.json").read_text())
    content["train"]["perception"] = "/elsewhere/senses"
    del content["sha256"]
    write_sealed(folder / "config.json", content)
    (folder / "video.mp4").write_bytes(b"a video")
    return folder


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shipped, "AGENTS", tmp_path / "agents")
    return tmp_path / "agents"


def test_a_run_is_put_into_the_box_and_taken_by_its_name(evaluated: Path, box: Path, tmp_path: Path) -> None:
    folder = put_in_the_box(evaluated, "seek", bar=0.0)
    names = {path.name for path in box.rglob("*") if path.is_file()}
    assert folder == box / "seek" and names == {"config.json", "policy.safetensors", "results.json", "README.md"}
    assert b"elsewhere" not in b"".join(path.read_bytes() for path in folder.iterdir())
    there = evaluate(EvaluateConfig(run="seek", episodes=2, num_envs=2, device="cpu"))
    here = evaluate(EvaluateConfig(run=str(evaluated), episodes=2, num_envs=2, device="cpu"))
    assert there["mean_length"] == here["mean_length"] and there["trained_steps"] == here["trained_steps"]
    ours, theirs = (Perception.from_pretrained(name).state_dict() for name in (evaluated, "seek"))
    assert all(torch.equal(ours[name], part) for name, part in theirs.items())
    assert read_results(RunDirectory.open("seek"))["command"].startswith("senseweave evaluate seek ")


def test_what_is_made_of_an_agent_in_the_box_goes_into_this_folder(
    evaluated: Path, box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_the_box(evaluated, "seek", bar=0.0)
    monkeypatch.chdir(tmp_path)
    before = {path.name for path in (box / "seek").iterdir()}
    assert export_run(ExportConfig(run="seek", to="torch"))["out"] == "torch" and Path("torch/model.pt2").is_file()
    assert {path.name for path in (box / "seek").iterdir()} == before
    assert place_for_outputs(evaluated) == evaluated


def test_a_folder_goes_before_an_agent_of_the_same_name(
    evaluated: Path, box: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_the_box(evaluated, "seek", bar=0.0)
    monkeypatch.chdir(tmp_path)
    Path("seek").mkdir()
    with pytest.raises(CheckpointError, match=r'"seek" has no config\.json'):
        require_run("seek")


def test_an_unknown_name_is_told_with_the_nearest_one_and_an_empty_box_with_itself(evaluated: Path, box: Path) -> None:
    for look in (require_run, Perception.from_pretrained):
        with pytest.raises(CheckpointError, match=r"no agent ships with this copy of senseweave\.$"):
            look("sek")
    put_in_the_box(evaluated, "seek", bar=0.0)
    assert shipped.shipped_agents() == ("seek",)
    for look in (require_run, Perception.from_pretrained):
        with pytest.raises(CheckpointError, match=r'does not exist; give .* did you mean "seek"\?$'):
            look("sek")
    assert shipped.shipped_folder("../seek") is None
    assert TrainOptions.from_options({"perception": "seek"}).perception == "seek"
    with pytest.raises(ConfigError, match=r'`perception` must be a folder; "sek" is none; .* did you mean "seek"\?$'):
        TrainOptions.from_options({"perception": "sek"})


def test_an_older_agent_is_replaced_whole_and_stays_where_the_new_one_fails(
    evaluated: Path, box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_the_box(evaluated, "seek", bar=0.0)
    (box / "seek" / "README.md").write_text("older")
    (box / "seek" / "left.json").write_text("{}")
    with monkeypatch.context() as failing:
        failing.setattr("senseweave.agent.share.box.publish_folder", lambda *parts: (_ for _ in ()).throw(OSError(28)))
        with pytest.raises(OSError):
            put_in_the_box(evaluated, "seek", bar=0.0)
    assert (box / "seek" / "README.md").read_text() == "older" and len(list(box.iterdir())) == 1
    put_in_the_box(evaluated, "seek", bar=0.0)
    assert not (box / "seek" / "left.json").exists() and len(list(box.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "bar", "told"), [("Seek!", 0.0, "`name` must be a word"), ("seek", 1.01, r"below the bar of 1\.010")]
)
def test_what_is_not_good_enough_does_not_ship(name: str, bar: float, told: str, evaluated: Path, box: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        put_in_the_box(evaluated, name, bar=bar)
    with pytest.raises(ConfigError, match=r"no success in its results\.json"):
        put_in_the_box(GOLDEN / "trained", "seek")
    assert not box.exists()


def test_the_command_takes_a_finished_run_and_tells_what_is_wrong_with_it(
    evaluated: Path, box: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(evaluated, tmp_path / "run")
    assert main(["--run", str(run), "--bar", "1.01"]) == 2 and "below the bar" in capsys.readouterr().err
    assert main(["--run", str(run), "--bar", "0"]) == 0
    assert "senseweave evaluate seek" in capsys.readouterr().err and shipped.shipped_agents() == ("seek",)


def test_a_card_tells_success_with_its_intervals_and_the_commands(evaluated: Path) -> None:
    card = bytes(pack(evaluated, "hf://someone/seeker", licence="apache-2.0")["README.md"]).decode()
    results = read_results(RunDirectory.open(evaluated))["evaluation"]
    low, high = results["sampled_success_interval"]
    assert f"| all senses, sampled | {results['sampled_success_rate']:.3f} ({low:.3f} to {high:.3f}) |" in card
    for sense in results["without_each"]:
        assert re.search(rf"\| without {sense}, sampled \| \d\.\d+ \(.* to .*\) \| .+ \|", card)
    assert 'license: "apache-2.0"' in card and "![An evaluation episode](video.mp4)" in card
    assert re.search(r"^senseweave train .*--seed \d+ .*--perception DIR$", card, re.MULTILINE)
    assert "senseweave evaluate hf://someone/seeker --episodes 4" in card
    assert 'from_pretrained("hf://someone/seeker")' in card and "elsewhere" not in card
    assert max(len(line) for line in card.splitlines()) < 400


def test_a_card_says_what_is_not_known_and_a_written_one_is_kept(tmp_path: Path) -> None:
    run = shutil.copytree(GOLDEN / "saved", tmp_path / "saved", ignore=shutil.ignore_patterns("checkpoints"))
    parcel = pack(run, "hf://someone/seeker")
    card = bytes(parcel["README.md"]).decode()
    assert "It was not evaluated." in card and "No licence was named" in card and "saved in Python" in card
    assert "license" not in card and parcel["config.json"] == run / "config.json"
    (run / "README.md").write_text("mine")
    assert pack(run, "hf://someone/seeker")["README.md"] == b"mine"


def test_a_perception_has_a_card_and_an_exported_folder_has_to_stay(tmp_path: Path) -> None:
    Perception(Spec(nose=Vector(3))).save_pretrained(tmp_path / "senses")
    parcel = pack(tmp_path / "senses", "hf://someone/nose")
    assert parcel.keys() == {"config.json", "model.safetensors", "README.md"}
    assert "| nose | Vector(size=3) |" in bytes(parcel["README.md"]).decode()
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "model.json").write_text("{}")
    with pytest.raises(CheckpointError, match="was exported; give the run"):
        pack(tmp_path / "exported", "hf://someone/nose")


def test_what_is_shipped_here_is_whole() -> None:
    for name in shipped.shipped_agents():
        folder = shipped.shipped_folder(name)
        assert folder is not None and {path.name for path in folder.iterdir()} == {
            *("config.json", "policy.safetensors", "results.json", "README.md")
        }
        run = RunDirectory.open(name)
        assert run.load_policy()[1] > 0 and read_results(run) is not None
