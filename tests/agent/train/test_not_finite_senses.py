"""A sense whose numbers are not finite is told of once, and counted, whoever trains."""

import csv

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from senseweave.agent.cli.main import main

SOME = 3
"""The sense `touch` is broken in one step of so many."""


class Broken(gymnasium.Env):
    """Of its senses a picture and a vector are never finite, one vector is now and then not, and one always is."""

    observation_space = spaces.Dict(
        {name: spaces.Box(-1.0, 1.0, (2,), np.float32) for name in ["state", "touch", "well"]}
        | {"picture": spaces.Box(0.0, 1.0, (16, 16, 3), np.float32)}
    )
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._look(), {}

    def step(self, action):
        self.steps += 1
        return self._look(), float(action), self.steps == 3 * SOME, False, {}

    def _look(self):
        seen = {name: np.zeros(space.shape, np.float32) for name, space in self.observation_space.items()}
        seen["picture"][0, 0, 0] = np.nan
        seen["state"][1] = np.nan
        seen["touch"][0] = np.inf if self.steps % SOME == 0 else 0.0
        return seen


@pytest.fixture(autouse=True)
def world(monkeypatch):
    monkeypatch.setitem(gymnasium.registry, "Broken-v0", gymnasium.envs.registration.EnvSpec("Broken-v0", Broken))
    nobody = lambda vector, env_id: lambda: np.zeros(vector.num_envs, np.int64)  # noqa: E731
    monkeypatch.setattr("senseweave.agent.train.start.vector_expert_for", nobody)


@pytest.mark.parametrize("trainer", ["senseweave", "sb3", "imitation"])
def test_a_sense_that_is_never_finite_is_told_of_once_by_name_and_share_and_counted(tmp_path, capsys, trainer):
    words = [
        "--env",
        "Broken-v0",
        "--num-envs",
        "2",
        "--evaluation-episodes",
        "0",
        "--no-video",
        "--device",
        "cpu",
        "--imitation-steps",
        "0",
    ]
    how = {"senseweave": ["--steps", "160", "--memory", "gru"]}.get(trainer, ["--steps", "36"])
    assert main(["train", *words, "--trainer", trainer, *how, "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().err
    assert said.count("was absent") == 2
    assert '"camera" was absent in every step of a rollout' in said
    assert '"state" was absent in 100 % of the steps: its numbers are not finite.' in said
    with open(tmp_path / "run" / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows and all(float(row["not_finite"]) == 1.0 for row in rows)
    curves = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    shares = {name: curves.Scalars(f"not_finite/{name}")[0].value for name in ("state", "touch")}
    assert shares == {"state": 1.0, "touch": pytest.approx(1 / SOME, abs=0.05)}
    assert "not_finite/well" not in curves.Tags()["scalars"]
