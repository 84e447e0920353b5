"""A trainer of a user's own, which CONTRIBUTING shows: trained, stopped, resumed and evaluated by the commands."""

import csv
import json
import re
import shutil
from importlib import metadata
from pathlib import Path

import pytest

from senseweave.agent.cli.main import main
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.settings.train import TrainConfig
from senseweave.agent.train.callback import TrainingCallback
from senseweave.perception.errors import ConfigError, UnknownNameError
from senseweave.policies.saving.checkpoint import folders
from senseweave.policies.trainer import TRAINERS

TEXT = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLE = next(code for code in re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S) if "TRAINERS.register" in code)
WORDS = (
    "train --trainer hill_climbing --env senseweave/GoToObj-v0 --env-option senses=grid,instruction --steps 256 "
    "--num-envs 4 --checkpoint-every 128 --device cpu --evaluation-episodes 0 --no-video --json --out"
)


@pytest.fixture(autouse=True)
def hill_climbing():
    exec(compile(EXAMPLE, "CONTRIBUTING.md", "exec"), {"__name__": "contributing"})
    yield
    del TRAINERS["hill_climbing"]


def run_command(capsys, *words):
    status = main([*map(str, words)])
    return status, capsys.readouterr()


@pytest.fixture
def run(tmp_path, capsys):
    status, printed = run_command(capsys, *WORDS.split(), tmp_path / "run")
    assert status == 0, printed.err
    return tmp_path / "run"


def test_it_leaves_a_run_directory_like_any_other(run):
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["steps"] for row in rows] == ["64", "128", "192", "256"]
    assert all(row["mean_return"] and row["episodes"] and row["seconds"] for row in rows)
    assert [path.name for path in folders(run / "checkpoints")] == ["step-000256", "step-000128"]
    config = RunDirectory.open(run).config
    assert config.train.trainer == "hill_climbing" and config.train.recipe == "plain" and config.algorithm == {}


def test_it_is_evaluated_and_resumes_from_its_newest_checkpoint(run, capsys):
    status, printed = run_command(capsys, "evaluate", run, "--episodes", 4, "--device", "cpu", "--json")
    assert status == 0 and json.loads(printed.out)["trained_steps"] == 256, printed.err
    shutil.rmtree(run / "checkpoints" / "step-000256")
    status, printed = run_command(capsys, "train", "--resume", run, "--steps", 320, "--json")
    assert status == 0 and json.loads(printed.out)["steps"] == 320, printed.err
    assert "at step 128 of 320" in printed.err
    assert json.loads(printed.out)["training_success_rate"] is None


def test_ctrl_c_forgets_the_rollout_that_it_breaks_off(tmp_path, capsys, monkeypatch):
    steps, plain = [], TrainingCallback.on_step

    def note(self):
        steps.append(1)
        self._stop.is_set = self._stop.is_set or len(steps) == 20
        return plain(self)

    monkeypatch.setattr(TrainingCallback, "on_step", note)
    status, printed = run_command(capsys, *WORDS.split(), tmp_path / "run")
    result = json.loads(printed.out)
    assert (status, result["steps"], result["was_interrupted"]) == (0, 64, True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory": "gru"}, '`memory` "gru" needs the trainer senseweave; got hill_climbing. Take --memory none.'),
        ({"imitation_steps": 9}, "`imitation_steps` needs the trainer senseweave; got hill_climbing. Leave out"),
        ({"auxiliary": {"mission": 1.0}}, "Auxiliary losses need the trainer senseweave; got hill_climbing."),
        ({"compile": True}, "`compile` needs the trainer senseweave or imitation; got hill_climbing."),
    ],
)
def test_what_it_does_not_promise_is_refused(changes, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        TrainConfig(trainer="hill_climbing", **changes)


def test_it_works_alone_unless_it_says_otherwise():
    trainer = TRAINERS["hill_climbing"]()
    trainer.require_processes(1)
    with pytest.raises(ConfigError, match='The trainer "hill_climbing" works alone; got 2 processes.'):
        trainer.require_processes(2)
    TRAINERS["senseweave"]().require_processes(2)


def test_a_run_whose_trainer_is_not_here_says_which_one_it_was(run, capsys):
    own = TRAINERS["hill_climbing"]
    del TRAINERS["hill_climbing"]
    status, printed = run_command(capsys, "evaluate", run)
    assert status == 2 and 'The trainer "hill_climbing" is not known' in printed.err
    TRAINERS.register("hill_climbing", own)


def test_an_installed_package_brings_its_trainer_along(monkeypatch):
    point = metadata.EntryPoint("scripted", "my_package.trainers:Scripted", "senseweave.trainers")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == point.group else [])
    monkeypatch.setattr(TRAINERS, "_has_read_entry_points", False)
    TRAINERS.require("scripted")
    with pytest.raises(UnknownNameError, match='did you mean "scripted"'):
        TRAINERS.require("script")
    del TRAINERS["scripted"]
