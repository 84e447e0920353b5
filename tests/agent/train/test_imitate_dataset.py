"""`senseweave train --dataset`: imitation from episodes that somebody recorded."""

import json
import os
import shutil
import signal
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch

from kit.data.demonstrations import GOTO, played
from senseweave.agent.cli.main import main
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.settings.train import UNNAMED, TrainConfig
from senseweave.agent.train.callback import TrainingCallback
from senseweave.envs.datasets import DatasetFacts, Episode, Episodes, write_dataset
from senseweave.perception import Spec, Vector
from senseweave.policies.saving.checkpoint import folders, load

SENSES = ("--env-option", "senses=grid,instruction")
QUIET = ("--no-video", "--device", "cpu", "--num-envs", "8", "--json")


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demos") / "goto"
    write_dataset(played(episodes=60), folder, "sessions")
    return str(folder)


def run_cli(capsys, *words):
    status = main(list(words))
    told = capsys.readouterr()
    return status, json.loads(told.out) if status == 0 else None, told.err


def test_sixty_episodes_teach_what_an_expert_does(demos, tmp_path, capsys):
    run = str(tmp_path / "run")
    words = ["--dataset", demos, "--steps", "8000", *QUIET, "--out", run]
    status, result, err = run_cli(capsys, "train", *words)
    assert status == 0, err
    assert result["steps"] == 8_000 and result["held_out"]["agreement"] > 0.5  # of seven actions
    assert result["env"] == UNNAMED and result["evaluation"] is None
    status, judged, err = run_cli(capsys, "evaluate", run, "--env", GOTO, *SENSES, "--episodes", "50", "--json")
    assert status == 0, err
    words = ["record", "--env", GOTO, *SENSES, "--player", "random", "--episodes", "20", "--json"]
    status, chance, err = run_cli(capsys, *words, "--out", run + "-chance")
    assert judged["sampled_success_rate"] > 0.9 > chance["success_rate"] + 0.2
    status, _, err = run_cli(capsys, "evaluate", run, "--json")
    assert status == 2 and "add --env ID" in err
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert "held_out_agreement" in rows[0] and rows[-1].split(",")[rows[0].split(",").index("held_out_agreement")]


@pytest.mark.parametrize("more", [("--memory", "gru", "--modality-dropout", "0.2"), ("--set", "imitation.epochs=2")])
def test_with_a_memory_an_environment_and_in_other_formats(demos, tmp_path, capsys, more):
    assert main(["convert", demos, str(tmp_path / "theirs"), "--to", "minari"]) == 0
    capsys.readouterr()
    words = ["--dataset", str(tmp_path / "theirs"), "--env", GOTO, *SENSES, "--steps", "2000", *more, *QUIET]
    status, result, err = run_cli(capsys, "train", *words, "--evaluation-episodes", "8", "--out", str(tmp_path / "run"))
    assert status == 0, err
    assert result["evaluation"]["episodes"] == 8 and result["held_out"]["log_likelihood"] < 0


def difference(one, other):
    ends = [load(folders(run / "checkpoints")[0], RunDirectory.open(run).config.run) for run in (one, other)]
    assert ends[0].steps == ends[1].steps
    return [
        f"{part} {name}"
        for part in ("policy", "optimizer", "random", "world")
        for name, tensor in getattr(ends[0], part).items()
        if not torch.equal(tensor, getattr(ends[1], part)[name])
    ]


@pytest.mark.parametrize(
    "job",
    [
        ("--steps", "1024", "--modality-dropout", "0.3", "--set", "imitation.rollout_size=128"),
        (
            *("--trainer", "senseweave", "--imitation-steps", "512", "--steps", "512", "--memory", "gru"),
            *("--env", GOTO, *SENSES, "--set", "imitation.rollout_size=128", "--set", "ppo.n_steps=16"),
        ),
    ],
    ids=["imitation", "then PPO"],
)
@pytest.mark.parametrize("stop_at", [400, 900])
def test_a_run_that_was_stopped_ends_with_the_bits_of_one_that_was_not(
    demos, tmp_path, capsys, monkeypatch, job, stop_at
):
    words = ["train", "--dataset", demos, *job, *QUIET, "--checkpoint-every", "256", "--evaluation-episodes", "0"]
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    plain = TrainingCallback.on_step

    def on_step(callback):
        if callback._training.steps >= stop_at and not callback._stop.is_set:
            os.kill(os.getpid(), signal.SIGINT)
        return plain(callback)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingCallback, "on_step", on_step)
        assert main([*words, "--out", str(tmp_path / "stopped")]) == 0
    err = capsys.readouterr().err
    assert f"train --resume {tmp_path / 'stopped'} --dataset {demos}" in err
    if "--imitation-steps" not in job or stop_at < 512:
        assert main(["train", "--resume", str(tmp_path / "stopped")]) == 2
        assert "`dataset` must be named again" in capsys.readouterr().err
    assert main(["train", "--resume", str(tmp_path / "stopped"), "--dataset", demos]) == 0
    assert difference(tmp_path / "whole", tmp_path / "stopped") == []


def test_a_run_goes_on_after_kill_9_with_the_same_bits(demos, tmp_path):
    words = [sys.executable, "-m", "senseweave.agent.train", "--dataset", demos, "--steps", "2048", *QUIET]
    words += ["--checkpoint-every", "512", "--set", "imitation.rollout_size=256", "--evaluation-episodes", "0"]
    killed = subprocess.Popen(
        [*words, "--out", str(tmp_path / "killed")], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    while killed.poll() is None and not folders(tmp_path / "killed" / "checkpoints"):
        pass
    killed.kill()
    killed.wait()
    resumed = ["train", "--resume", str(tmp_path / "killed"), "--dataset", demos]
    assert main(resumed) == 0
    assert main(["train", *words[3:], "--out", str(tmp_path / "whole")]) == 0
    assert difference(tmp_path / "whole", tmp_path / "killed") == []


def test_another_dataset_is_not_the_one_that_a_run_began_with(demos, tmp_path, capsys):
    words = ["train", "--dataset", demos, "--steps", "512", *QUIET, "--checkpoint-every", "256"]
    assert main([*words, "--set", "imitation.rollout_size=256", "--out", str(tmp_path / "run")]) == 0
    write_dataset(played(episodes=3), tmp_path / "others", "sessions")
    shutil.copytree(demos, tmp_path / "moved")
    more = ["train", "--resume", str(tmp_path / "run"), "--steps", "1024", "--dataset"]
    assert main([*more, str(tmp_path / "others")]) == 2
    assert "is not the dataset that" in capsys.readouterr().err
    assert main([*more, str(tmp_path / "moved")]) == 0


def test_continuous_actions_are_learned_from_where_they_are(tmp_path, capsys):
    facts = DatasetFacts(Spec(state=Vector(2)), gymnasium.spaces.Box(-0.02, 0.02, (2,), np.float32), ("x", "y"))
    draws = np.random.default_rng(0)
    episodes = []
    for _ in range(20):
        state = draws.uniform(-1, 1, (30, 2)).astype(np.float32)
        episodes.append(Episode.of(facts, {"state": state}, (0.01 * state[:, ::-1]).astype(np.float32)))
    write_dataset(Episodes.of(facts, episodes), tmp_path / "arm", "lerobot")
    words = ["--dataset", str(tmp_path / "arm"), "--steps", "16000", *QUIET, "--out", str(tmp_path / "run")]
    status, result, err = run_cli(capsys, "train", *words)
    assert status == 0, err
    spread = np.concatenate([each.actions for each in episodes]).std(axis=0)
    guess = float(-(np.log(spread) + 0.5 * np.log(2 * np.pi) + 0.5).sum())  # of a normal distribution around the mean
    assert result["held_out"]["log_likelihood"] > guess + 0.5


MISTAKES = [
    (("--dataset", "nowhere"), "There is no dataset nowhere"),
    (
        ("--dataset", "{demos}", "--trainer", "sb3", "--imitation-steps", "9"),
        "needs the trainer imitation",
    ),
    (
        ("--dataset", "{demos}", "--trainer", "senseweave", "--env", GOTO),
        "`dataset` is imitated; give --trainer",
    ),
    (("--dataset", "{demos}", "--imitation-steps", "99"), "name where learning goes on with --env ID"),
    (("--dataset", "{demos}", "--env", "CartPole-v1"), "has none of the senses"),
    (("--dataset", "{demos}", "--auxiliary", "mission=1"), '"mission" needs a simulator'),
    (("--dataset", "{demos}", "--held-out", "1"), "`held_out`"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_a_mistake_is_one_sentence_and_leaves_nothing(demos, tmp_path, capsys, words, message):
    given = [word.format(demos=demos) for word in words]
    assert main(["train", *given, "--out", str(tmp_path / "run")]) == 2
    err = capsys.readouterr().err
    assert message in err and len(err.splitlines()) == 1 and not (tmp_path / "run").exists()


def test_a_config_of_an_earlier_release_has_no_dataset():
    old = {name: value for name, value in TrainConfig().to_json().items() if name not in ("dataset", "held_out")}
    assert TrainConfig.from_json(old) == TrainConfig()
