"""A BabyAI id trains in its batched twin, says so, and is judged in minigrid itself; what is on disk goes on."""

import json

import pytest

from senseweave.agent.cli.main import main
from senseweave.agent.runs.directory import RunDirectory

LEVEL = "BabyAI-GoToObjS4-v0"
LENGTHS = ["--num-envs", "8", "--imitation-steps", "512", "--steps", "512", "--evaluation-episodes", "4"]
SMALL = [*LENGTHS, "--no-video", "--device", "cpu"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "small"
    assert main(["train", "--env", LEVEL, "--recipe", "babyai", *SMALL, "--out", str(run)]) == 0
    return run


def test_it_learns_in_the_twin_and_says_so(tmp_path, capsys):
    assert main(["train", "--env", LEVEL, "--memory", "gru", *SMALL, "--out", str(tmp_path / "run")]) == 0
    told = capsys.readouterr()
    assert f"{LEVEL} is learned in its batched twin senseweave/GoToObj-v0 and judged in minigrid itself" in told.err
    assert f"{LEVEL}, 4 held-out episodes" in told.out and "without instruction: success" in told.out


def test_config_json_keeps_the_level_the_engine_and_the_expert(trained):
    config = RunDirectory.open(trained).config
    assert config.train.env == LEVEL and config.train.env_options == {"engine": "rooms"}
    assert config.algorithm["imitation"]["expert"] == "honest" and config.train.memory == "gru"


def test_it_is_evaluated_in_minigrid_and_resumed_in_the_twin(trained, capsys):
    assert main(["evaluate", str(trained), "--episodes", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["env"] == LEVEL
    assert main(["train", "--resume", str(trained), "--steps", "1024"]) == 0
    assert "Resuming" in capsys.readouterr().err


def test_the_twin_can_be_refused(tmp_path, capsys):
    words = ["--env", LEVEL, "--env-option", "engine=minigrid", "--num-envs", "2", "--imitation-steps", "0"]
    words += ["--steps", "64", "--evaluation-episodes", "0", "--no-video", "--device", "cpu"]
    assert main(["train", *words, "--out", str(tmp_path / "run")]) == 0
    assert "batched twin" not in capsys.readouterr().err
    assert RunDirectory.open(tmp_path / "run").config.train.env_options == {"engine": "minigrid"}
