"""Training that starts with imitation, and with senses missing now and then."""

import csv
import dataclasses
import shutil

import numpy as np
import pytest
import torch

from senseweave.agent.evaluate.evaluate import evaluate
from senseweave.agent.play.environments import make_batch, make_envs, make_vector_env
from senseweave.agent.play.experts import vector_expert_for
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.settings.evaluate import EvaluateConfig
from senseweave.agent.settings.train import TrainConfig
from senseweave.agent.terminal.stop import StopRequest
from senseweave.agent.train.callback import TrainingCallback
from senseweave.agent.train.start import build_training, resolve_perception
from senseweave.agent.train.train import resume, train
from senseweave.perception.errors import ConfigError
from senseweave.policies.presets import ImitationSettings
from senseweave.policies.saving.checkpoint import folders, load
from senseweave.policies.trainer import TRAINERS

ROOMS = "senseweave/GoToRedBallGrey-v0"
BABYAI = "BabyAI-GoToRedBallGrey-v0"
CONFIG = TrainConfig(
    env=ROOMS,
    env_options={"senses": "grid,instruction"},
    steps=256,
    imitation_steps=500,
    num_envs=8,
    device="cpu",
    checkpoint_every=200,
    trainer="sb3",
    keep_checkpoints=9,
    evaluation_episodes=0,
    video=False,
)
"""504 steps of imitation in rollouts of 200, and then 256 of PPO."""


@pytest.fixture(scope="module")
def short_rollouts():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "senseweave.policies.trainers.settings.EXPERT_ALONE", ImitationSettings(rollout_size=200, batch_size=50)
        )
        yield


@pytest.fixture(scope="module")
def run(short_rollouts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("imitation") / "run"
    train(CONFIG, folder)
    return folder


def rows_of(run):
    with open(run / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_imitation_comes_first_and_has_rows_and_checkpoints_of_its_own(run):
    rows = rows_of(run)
    assert [int(row["steps"]) for row in rows] == [200, 400, 504, 760]
    assert all(row["imitation_loss"] and row["imitation_agreement"] for row in rows[:3])
    assert not rows[3]["imitation_loss"] and [float(row["expert_share"]) for row in rows[:3]] == pytest.approx(
        [1 - 200 / 252, 0, 0], abs=1e-6
    )
    names = ["step-000760", "step-000504", "step-000400", "step-000200"]
    assert [path.name for path in folders(run / "checkpoints")] == names
    opened = RunDirectory.open(run)
    assert opened.config.train.imitation_steps == 500 and opened.config.algorithm["imitation"]["rollout_size"] == 200
    assert opened.load_policy()[1] == 760


@pytest.mark.parametrize("left", ["step-000200", "step-000400", "step-000504"])
def test_a_run_that_resumes_inside_or_after_imitation_ends_as_the_run_that_never_stopped(run, tmp_path, left):
    stopped = shutil.copytree(run, tmp_path / "stopped")
    for folder in folders(stopped / "checkpoints"):
        if folder.name > left:
            shutil.rmtree(folder)
    assert resume(stopped)["steps"] == 760
    ends = [load(part / "checkpoints" / "step-000760", RunDirectory.open(run).config.run) for part in (run, stopped)]
    for part in ("policy", "optimizer", "random"):
        once, twice = (getattr(end, part) for end in ends)
        assert once.keys() == twice.keys() and all(torch.equal(once[name], twice[name]) for name in once), part
    timeless = [
        [{key: value for key, value in row.items() if "second" not in key} for row in rows_of(part)]
        for part in (run, stopped)
    ]
    assert timeless[0] == timeless[1]


def test_ctrl_c_inside_imitation_leaves_a_checkpoint_that_resumes(short_rollouts, tmp_path, monkeypatch):
    steps = []
    plain = TrainingCallback.on_step

    def note(self):
        steps.append(1)
        self._stop.is_set = self._stop.is_set or len(steps) == 30  # step 240, in the second rollout
        return plain(self)

    monkeypatch.setattr(TrainingCallback, "on_step", note)
    result = train(CONFIG, tmp_path / "run")
    assert result["was_interrupted"] and result["steps"] == 200
    assert [path.name for path in folders(tmp_path / "run" / "checkpoints")] == ["step-000200"]
    monkeypatch.undo()
    assert isinstance(StopRequest("").is_set, bool)
    assert resume(tmp_path / "run")["steps"] == 760


def test_there_may_be_nothing_after_imitation(short_rollouts, tmp_path):
    result = train(dataclasses.replace(CONFIG, steps=0, imitation_steps=200), tmp_path / "run")
    assert result["steps"] == 200
    assert evaluate(EvaluateConfig(str(tmp_path / "run"), episodes=3, device="cpu"))["episodes"] == 3


def test_the_learning_rate_is_the_presets_when_ppo_begins_and_falls_to_nothing(tmp_path):
    vector, facts = make_vector_env(CONFIG.env, CONFIG.env_options, CONFIG.num_envs)
    settings = TRAINERS[CONFIG.trainer]().settings(CONFIG)
    perception, _ = resolve_perception(CONFIG, facts.senses)
    training = build_training(CONFIG, settings, perception, facts.senses, vector, torch.device("cpu"))
    model, at_start = training.model, 1 - CONFIG.plan.imitation / CONFIG.plan.total
    assert model.lr_schedule(at_start) == pytest.approx(settings["learning_rate"])
    assert model.lr_schedule(0.0) == 0


def test_babyais_bots_teach_as_well():
    vector, _ = make_vector_env(BABYAI, {}, 4)
    vector.seed(0)
    vector.reset()
    expert, lengths, steps = vector_expert_for(vector, BABYAI), [], 0
    while len(lengths) < 20 and steps < 200:
        _, _, dones, infos = vector.step(expert())
        lengths += [infos[row]["episode"]["l"] for row in dones.nonzero()[0]]
        assert all(infos[row]["is_success"] for row in dones.nonzero()[0])
        steps += 1
    assert len(lengths) >= 20 and max(lengths) < 30


@pytest.mark.parametrize("level", ["PutNextS5N2", "KeyCorridorS3R1"])  # hands are full half of the time
def test_a_disturbed_bot_finds_its_way_back(level):
    vector, _ = make_vector_env(f"BabyAI-{level}-v0", {}, 4)
    vector.seed(0)
    vector.reset()
    expert, draws, successes = vector_expert_for(vector, level), np.random.default_rng(0), []
    for _ in range(150):
        wanted = expert()
        assert np.array_equal(expert(), wanted), "it was asked twice about the same step"
        taken = np.where(draws.random(4) < 0.3, np.roll(wanted, 1), wanted)
        _, _, dones, infos = vector.step(taken)
        successes += [infos[row]["is_success"] for row in dones.nonzero()[0]]
    assert len(successes) > 4 and np.mean(successes) > 0.8


def test_a_level_that_the_bot_cannot_play_says_so():
    vector, _ = make_vector_env("BabyAI-KeyInBox-v0", {}, 8)
    vector.seed(0)
    vector.reset()
    expert = vector_expert_for(vector, "BabyAI-KeyInBox-v0")
    with pytest.raises(ConfigError, match="minigrid's bot cannot play BabyAI-KeyInBox-v0; leave the expert out"):
        for _ in range(100):
            vector.step(expert())


def test_environments_without_an_expert_say_so_before_anything_is_written(tmp_path):
    vector, _ = make_vector_env("Acrobot-v1", {}, 1)
    with pytest.raises(ConfigError, match="has no expert"):
        vector_expert_for(vector, "Acrobot-v1")
    with pytest.raises(ConfigError, match="has no expert"):
        train(TrainConfig(env="Acrobot-v1", imitation_steps=10, steps=10), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("env_id", "options"), [(ROOMS, CONFIG.env_options), (BABYAI, {})])
def test_senses_are_missing_in_whole_training_episodes_and_never_in_evaluation(env_id, options):
    vector, _ = make_vector_env(env_id, options, 64, modality_dropout=0.25)
    vector.seed(0)
    seen = [vector.reset()["present"]]
    for _ in range(3):
        observation, _, dones, _ = vector.step(np.zeros(64, np.int64))  # turning ends no episode
        assert not dones.any()
        seen.append(observation["present"])
    assert all((present == seen[0]).all() for present in seen)
    assert 0.1 < 1 - seen[0].mean() < 0.4
    envs = make_envs(env_id, options, 4, 4, torch.device("cpu"))
    first = envs[0].reset(seed=0)[0] if isinstance(envs, list) else envs.reset(seed=0)[0]
    assert bool((first["present"] == 1).all())


def test_a_run_with_modality_dropout_is_evaluated_with_all_senses(tmp_path, monkeypatch):
    made = []
    plain = make_batch
    for module in ("train.start", "play.environments"):
        place = f"senseweave.agent.{module}.make_batch"
        monkeypatch.setattr(place, lambda *words: (made.append(words[1]), plain(*words))[1])
    config = dataclasses.replace(CONFIG, imitation_steps=0, modality_dropout=0.3, evaluation_episodes=2, steps=16)
    train(config, tmp_path / "run")
    assert made[0] == config.env_options | {"outages": 0.3, "outage_steps": "episode"}
    assert len(made) > 1 and all(options == config.env_options for options in made[1:])
    assert RunDirectory.open(tmp_path / "run").config.train.modality_dropout == 0.3


def test_what_the_expert_achieves_is_not_shown_as_the_success_of_the_policy(tmp_path, monkeypatch, capsys):
    alone = ImitationSettings(rollout_size=200, batch_size=50, last_expert_share=1.0, expert_noise=0.3)
    monkeypatch.setattr("senseweave.policies.trainers.settings.EXPERT_ALONE", alone)
    monkeypatch.setattr("senseweave.agent.terminal.progress.LOG_EVERY_S", 0.0)
    train(dataclasses.replace(CONFIG, trainer="senseweave"), tmp_path / "run")
    rows = rows_of(tmp_path / "run")
    is_imitation = [bool(row["imitation_loss"]) for row in rows]
    assert is_imitation == [True] * 3 + [False]
    assert not any(row["success_rate"] or row["mean_return"] for row in rows[:3]) and rows[3]["success_rate"]
    told = [line for line in capsys.readouterr().err.splitlines() if "steps  " in line]
    assert told[0].endswith("left  imitates the expert") and "imitates the expert, agreement 0." in told[-40]
    assert not any("success" in line for line in told if "imitates" in line)
