"""`senseweave train` with our own trainer: what is left behind, and that a run that stops goes on bit for bit."""

import csv
import dataclasses
import re
import shutil

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from senseweave.agent.evaluate.evaluate import evaluate
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.settings.evaluate import EvaluateConfig
from senseweave.agent.settings.train import TrainConfig
from senseweave.agent.train.callback import TrainingCallback
from senseweave.agent.train.train import resume, train
from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception import Perception, PerceptionConfig
from senseweave.perception.errors import ConfigError
from senseweave.policies.presets import MEMORY_PRESET, ImitationSettings
from senseweave.policies.saving.checkpoint import folders, load
from senseweave.policies.trainer import TRAINERS

CONFIG = TrainConfig(
    env="senseweave/GoToRedBallGrey-v0",
    env_options={"senses": "grid,instruction"},
    steps=480,
    imitation_steps=320,
    memory="gru",
    overrides={"imitation.expert": "honest"},  # who has a memory of its own
    modality_dropout=0.2,
    num_envs=8,
    device="cpu",
    checkpoint_every=160,
    keep_checkpoints=9,
    evaluation_episodes=0,
    video=False,
)
"""Two rollouts of imitation and three of PPO, 20 steps in 8 environments each; episodes are longer than a rollout."""

LINE = re.compile(r"(\d+)/800 steps  ([\d,]+)/s")

MEMORY_PRESET_OF_THE_TRAINER = "senseweave.policies.trainers.on_device.MEMORY_PRESET"


@pytest.fixture(scope="module", autouse=True)
def short_rollouts():
    with pytest.MonkeyPatch.context() as patch:
        short = ImitationSettings(rollout_size=160, batch_size=40)
        patch.setattr("senseweave.policies.trainers.settings.imitation_in_sequences", lambda num_envs: short)
        patch.setattr(MEMORY_PRESET_OF_THE_TRAINER, keep_short())
        yield


def keep_short():
    return dataclasses.replace(MEMORY_PRESET, n_steps=20, batch_size=40, n_epochs=2)


@pytest.fixture(scope="module")
def run(short_rollouts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("device") / "run"
    train(CONFIG, folder)
    return folder


def end_of(run):
    newest = folders(run / "checkpoints")[0]
    return load(newest, RunDirectory.open(run).config.run)


def assert_same_end(one, other):
    for part in ("policy", "optimizer", "random", "world"):
        once, twice = getattr(one, part), getattr(other, part)
        assert once.keys() == twice.keys() and len(once) > 0, part
        assert all(torch.equal(once[name], twice[name]) for name in once), part
    timeless = [{key: value for key, value in end.state.items() if key != "seconds"} for end in (one, other)]
    assert timeless[0] == timeless[1]


def test_phases_gradients_and_entropy_have_columns(run):
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[:2] + rows[3:]:  # the first of PPO has no update before it
        for column in ("acting", "environment", "learning"):
            assert float(row[f"{column}_steps_per_second"]) > 0
        assert float(row["gradient_norm"]) > 0
    assert all(float(row["entropy"]) == -float(row["entropy_loss"]) > 0 for row in rows[3:])


def test_every_part_of_the_run_leaves_rows_and_checkpoints(run):
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["steps"]) for row in rows] == [160, 320, 480, 640, 800]
    assert all(row["imitation_loss"] for row in rows[:2]) and all(row["policy_loss"] for row in rows[3:])
    assert [path.name[-3:] for path in folders(run / "checkpoints")] == ["800", "640", "480", "320", "160"]
    assert RunDirectory.open(run).config.algorithm["workers"] >= 1
    assert end_of(run).world.keys() >= {"learner.memory", "learner.starts", "world.step_count", "tally.returns"}


@pytest.mark.parametrize("left", ["step-000160", "step-000320", "step-000480", "step-000640"])
def test_a_run_that_resumes_ends_as_the_run_that_never_stopped(run, tmp_path, left):
    stopped = shutil.copytree(run, tmp_path / "stopped")
    for folder in folders(stopped / "checkpoints"):
        if folder.name > left:
            shutil.rmtree(folder)
    assert resume(stopped)["steps"] == 800
    assert_same_end(end_of(run), end_of(stopped))


def test_held_out_episodes_on_the_way_leave_training_bit_for_bit_as_it_is_without_them(run, tmp_path):
    train(dataclasses.replace(CONFIG, evaluation_episodes=2), tmp_path / "watched")
    assert_same_end(end_of(run), end_of(tmp_path / "watched"))
    with open(tmp_path / "watched" / "metrics.csv", newline="") as file:
        held_out = [int(row["steps"]) for row in csv.DictReader(file) if row["held_out_return"]]
    assert held_out == [160, 320, 800]


def test_the_curve_of_frames_a_second_is_what_the_progress_line_says(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("senseweave.agent.terminal.progress.LOG_EVERY_S", 0.0)
    train(CONFIG, tmp_path / "run")
    shown = {int(steps): float(rate.replace(",", "")) for steps, rate in LINE.findall(capsys.readouterr().err)}
    curve = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload().Scalars("time/fps")
    assert [point.step for point in curve] == [160, 320, 480, 640, 800]
    played = [point for point in curve if point.step > CONFIG.imitation_steps]  # told before its update, as the line is
    assert all(point.value == pytest.approx(shown[point.step], rel=0.05, abs=1.0) for point in played)


def test_an_objective_an_imputer_and_a_memory_that_looks_again_resume_just_as_exactly(tmp_path, monkeypatch):
    monkeypatch.setattr(MEMORY_PRESET_OF_THE_TRAINER, dataclasses.replace(keep_short(), n_epochs=1))
    env = RoomsVectorEnv("GoToRedBallGrey", 1, "cpu", senses=("grid", "instruction"))
    size = PerceptionConfig(width=16, latents=2, heads=2, state_dim=16, fusion="late", imputation="translation")
    Perception(env.senses, size).save_pretrained(tmp_path / "senses")
    config = dataclasses.replace(
        CONFIG,
        memory="looking_gru",
        perception=str(tmp_path / "senses"),
        auxiliary={"translation": 0.1},
        steps=160,
        imitation_steps=160,
    )
    train(config, tmp_path / "run")
    for lost in (1, 2):  # the second checkpoint, or both: then the run begins again with the weights of `perception`
        stopped = shutil.copytree(tmp_path / "run", tmp_path / f"stopped{lost}")
        for folder in folders(stopped / "checkpoints")[:lost]:
            shutil.rmtree(folder)
        if lost == 2:
            (stopped / "policy.safetensors").unlink()  # which nothing is written over
            with pytest.raises(ConfigError, match="name them with --perception"):
                resume(stopped)
        assert resume(stopped, perception=config.perception)["steps"] == 320
        assert_same_end(end_of(tmp_path / "run"), end_of(stopped))
    end = end_of(tmp_path / "run")
    assert any(name.startswith("second_look.") for name in end.policy)
    assert any(".imputer." in name for name in end.policy) and any(".judges." in name for name in end.world)


@pytest.mark.parametrize("step", [25, 65])
def test_ctrl_c_in_the_middle_of_a_rollout_loses_that_rollout_and_nothing_else(run, tmp_path, monkeypatch, step):
    steps, plain = [], TrainingCallback.on_step

    def note(self):
        steps.append(1)
        self._stop.is_set = self._stop.is_set or len(steps) == step
        return plain(self)

    monkeypatch.setattr(TrainingCallback, "on_step", note)
    config = dataclasses.replace(CONFIG, checkpoint_every=10**6)  # the only checkpoint in between is Ctrl-C's
    result = train(config, tmp_path / "run")
    assert result["was_interrupted"] and result["steps"] == step // 20 * 160
    monkeypatch.undo()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MEMORY_PRESET_OF_THE_TRAINER, keep_short())
        assert resume(tmp_path / "run")["steps"] == 800
    assert_same_end(end_of(run), end_of(tmp_path / "run"))


def test_training_twice_with_one_seed_is_equal_and_with_another_is_not(run, tmp_path):
    ends = {}
    for seed in (0, 1):
        train(dataclasses.replace(CONFIG, seed=seed), tmp_path / str(seed))
        ends[seed] = end_of(tmp_path / str(seed))
    assert_same_end(end_of(run), ends[0])
    assert not torch.equal(ends[1].policy["value_net.weight"], ends[0].policy["value_net.weight"])


def test_the_policy_remembers_when_it_is_evaluated_and_can_do_so_in_minigrid_itself(run):
    here = evaluate(EvaluateConfig(str(run), episodes=6, device="cpu"))
    there = evaluate(EvaluateConfig(str(run), env="BabyAI-GoToRedBallGrey-v0", episodes=6, device="cpu"))
    assert here["episodes"] == there["episodes"] == 6


def test_the_expert_alone_can_be_the_trainer(tmp_path):
    config = dataclasses.replace(CONFIG, trainer="imitation", steps=320, imitation_steps=0)
    assert train(config, tmp_path / "run")["steps"] == 320
    trainer = TRAINERS["imitation"]()
    made = [trainer.settings(dataclasses.replace(config, learning_rate=rate)) for rate in (None, 0.02)]
    assert [settings["imitation"]["learning_rate"] for settings in made] == [ImitationSettings().learning_rate, 0.02]
    with pytest.raises(ConfigError, match="come before reinforcement learning"):
        dataclasses.replace(config, imitation_steps=10)


def test_another_environment_starts_anew_at_each_checkpoint_and_resumes_just_as_exactly(tmp_path):
    config = dataclasses.replace(CONFIG, env="BabyAI-GoToRedBallGrey-v0", env_options={}, imitation_steps=0, num_envs=2)
    config = dataclasses.replace(
        config, steps=160, checkpoint_every=40, auxiliary={"instruction_words": 0.5}, overrides={}
    )
    train(config, tmp_path / "run")
    stopped = shutil.copytree(tmp_path / "run", tmp_path / "stopped")
    for folder in folders(stopped / "checkpoints")[:2]:
        shutil.rmtree(folder)
    resume(stopped)
    one, other = end_of(tmp_path / "run"), end_of(stopped)
    for part in ("policy", "optimizer", "random", "world"):
        once, twice = getattr(one, part), getattr(other, part)
        assert len(once) > 0 and all(torch.equal(once[name], twice[name]) for name in once), part
    assert all(name.startswith("auxiliary.instruction_words.") for name in one.world)


def test_a_run_that_cannot_be_compiled_says_so_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match="no-such-compiler is not here"):
        train(dataclasses.replace(CONFIG, compile=True), tmp_path / "run")
    assert not (tmp_path / "run").exists()
