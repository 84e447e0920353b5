import csv
import dataclasses
import os
import shutil

import numpy as np
import pytest
import torch

from senseweave.agent.evaluate.evaluate import evaluate
from senseweave.agent.play.episodes import FIRST_HELD_OUT_SEED
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.runs.machine import limit_threads
from senseweave.agent.runs.policies import load_policy
from senseweave.agent.runs.results import read_results
from senseweave.agent.settings.evaluate import EvaluateConfig
from senseweave.agent.train.callback import MAX_TRAINING_SEED, TrainingCallback
from senseweave.agent.train.train import resume, train
from senseweave.envs import make
from senseweave.perception import Camera, Perception, PerceptionConfig, Spec
from senseweave.perception.errors import CheckpointError, ConfigError, UnknownNameError
from senseweave.policies.extractor import perception_of
from senseweave.policies.saving.checkpoint import folders, load


def rows_of(run):
    with open(run / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def without_clock(state):
    """Episodes without the time of day at which they ended."""
    is_episodes = isinstance(state, list) and all(isinstance(one, dict) for one in state)
    return [{key: value for key, value in one.items() if key != "t"} for one in state] if is_episodes else state


def test_training_leaves_a_run_directory_with_everything_that_later_commands_read(trained):
    run = RunDirectory.open(trained)
    assert run.config.spec.names == ("grid", "instruction")
    assert run.config.action_names[:3] == ("left", "right", "forward")
    assert run.config.max_age_s == {name: pytest.approx(3 * run.config.step_s) for name in run.config.spec}
    assert run.config.tokenizer is not None and run.config.tokenizer.startswith("senseweave-1:")
    assert run.load_policy()[1] == 512
    assert [path.name for path in folders(trained / "checkpoints")] == ["step-000512", "step-000256"]
    assert [int(row["steps"]) for row in rows_of(trained)] == [256, 512]
    assert len(list((trained / "tensorboard").glob("events.out.tfevents.*"))) == 1
    pickled = {".pkl", ".pickle", ".pt", ".pth", ".zip", ".npy", ".npz"}
    assert not {path.suffix for path in trained.rglob("*") if path.is_file()} & pickled


def test_a_run_that_resumes_from_a_checkpoint_ends_exactly_as_the_run_that_never_stopped(copy_of_run, trained):
    """Weights, optimiser, random states and learning rate, bit for bit; the crash left later files behind."""
    stopped = copy_of_run("stopped")
    shutil.rmtree(stopped / "checkpoints" / "step-000512")
    result = resume(stopped)
    assert result["steps"] == 512
    ends = [load(run / "checkpoints" / "step-000512", RunDirectory.open(run).config.run) for run in (trained, stopped)]
    for part in ("policy", "optimizer", "random"):
        once, twice = (getattr(end, part) for end in ends)
        assert once.keys() == twice.keys() and all(torch.equal(once[name], twice[name]) for name in once), part
    for key in ("optimizer", "random", "updates", "episodes", "recent", "recent_success"):
        assert without_clock(ends[0].state[key]) == without_clock(ends[1].state[key]), key
    timeless = [
        [{key: value for key, value in row.items() if "second" not in key} for row in rows_of(run)]
        for run in (trained, stopped)
    ]
    assert timeless[0] == timeless[1]


def test_two_runs_with_one_seed_are_equal_and_another_seed_differs(tiny_config, trained, tmp_path):
    short = dataclasses.replace(tiny_config, steps=256)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(dataclasses.replace(short, seed=seed), tmp_path / name)
    policies = [RunDirectory.open(tmp_path / name).load_policy()[0] for name in "abc"]
    assert all(torch.equal(policies[0][key], policies[1][key]) for key in policies[0])
    assert not all(torch.equal(policies[0][key], policies[2][key]) for key in policies[0])


def test_a_finished_run_goes_on_to_a_larger_total_and_keeps_its_curves(copy_of_run):
    run = copy_of_run("longer")
    assert resume(run, steps=768)["steps"] == 768
    assert [int(row["steps"]) for row in rows_of(run)] == [256, 512, 768]
    assert RunDirectory.open(run).config.train.steps == 768
    rates = [float(row["learning_rate"] or "nan") for row in rows_of(run)]
    assert np.isnan(rates[0]) and rates[1] == pytest.approx(0.5e-3)


def test_resuming_a_finished_run_trains_no_more_and_only_evaluates(copy_of_run):
    run = copy_of_run("finished")
    result = resume(run, evaluation_episodes=4)
    assert result["steps"] == 512 and result["evaluation"]["episodes"] == 4
    assert result["success_rate"] == result["evaluation"]["sampled_success_rate"]
    assert [bool(row["held_out_success"]) for row in rows_of(run)] == [False, False, True]


def test_a_finished_run_says_so_and_plays_nothing(copy_of_run, capsys):
    run = copy_of_run("done")
    result = resume(run)
    assert (result["steps"], result["evaluation"]) == (512, None)
    assert "is finished: 512 steps are done. Add --steps" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["gone", "cut", "older"])
def test_a_finished_run_writes_a_lost_policy_again(copy_of_run, capsys, damage):
    run = copy_of_run(damage)
    opened, file = RunDirectory.open(run), run / "policy.safetensors"
    loaded, steps = opened.load_policy()
    whole = {name: part.clone() for name, part in loaded.items()}  # what was loaded is mapped from the file
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:-9])
    else:  # killed between the last checkpoint and the policy
        opened.save_policy({name: torch.zeros_like(part) for name, part in whole.items()}, 256)
    resume(run)
    again = opened.load_policy()
    assert again[1] == steps == 512 and all(torch.equal(again[0][name], part) for name, part in whole.items())
    assert "It is written again, as it stands in the checkpoint of step 512." in capsys.readouterr().err


def test_a_policy_without_checkpoints_is_not_trained_anew_over_itself(copy_of_run):
    run = copy_of_run("bare")
    whole = (run / "policy.safetensors").read_bytes()
    for folder in (run / "checkpoints").iterdir():
        shutil.rmtree(folder)
    with pytest.raises(CheckpointError, match="has a policy, but no checkpoint to go on from"):
        resume(run)
    assert (run / "policy.safetensors").read_bytes() == whole


def test_held_out_results_are_kept_and_stand_in_the_metrics(copy_of_run):
    run = copy_of_run("measured")
    result = resume(run, evaluation_episodes=4)
    kept = read_results(RunDirectory.open(run))
    assert kept["evaluation"] == result["evaluation"] and kept["steps"] == 512
    last = rows_of(run)[-1]
    assert float(last["held_out_success"]) == pytest.approx(result["evaluation"]["sampled_success_rate"])
    assert resume(run)["success_rate"] == result["success_rate"]


def test_a_run_that_died_before_its_first_checkpoint_starts_from_the_first_step(copy_of_run, trained):
    run = copy_of_run("newborn")
    shutil.rmtree(run / "checkpoints")
    (run / "policy.safetensors").unlink()
    resume(run)
    once, twice = RunDirectory.open(trained).load_policy()[0], RunDirectory.open(run).load_policy()[0]
    assert all(torch.equal(once[name], twice[name]) for name in once)


def test_the_total_cannot_be_less_than_what_is_done(copy_of_run):
    with pytest.raises(ConfigError, match="`steps` is the total, of which 512 are done; got 100"):
        resume(copy_of_run("short"), steps=100)


def test_only_the_newest_checkpoints_stay(tiny_config, tmp_path):
    config = dataclasses.replace(tiny_config, steps=128, num_envs=1, checkpoint_every=1, keep_checkpoints=1)
    train(config, tmp_path / "run")
    names = [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()]
    assert names == ["step-000128"]


def test_a_recurrent_policy_trains_resumes_and_loads(tiny_config, tmp_path):
    config = dataclasses.replace(tiny_config, memory="gru", trainer="sb3", steps=256)
    train(config, tmp_path / "run")
    assert resume(tmp_path / "run", steps=512, evaluation_episodes=3)["evaluation"]["episodes"] == 3
    env = make(config.env)
    policy, steps = load_policy(RunDirectory.open(tmp_path / "run"), env, torch.device("cpu"))
    assert steps == 512 and hasattr(policy, "lstm_actor")


def test_frames_train_and_evaluate_though_stable_baselines_moves_their_channels(tiny_config, tmp_path):
    config = dataclasses.replace(tiny_config, env_options={"view": "camera"}, steps=32, evaluation_episodes=1)
    result = train(config, tmp_path / "run")
    again = evaluate(EvaluateConfig(str(tmp_path / "run"), episodes=1, device="cpu"))
    assert again["sampled_mean_length"] == result["evaluation"]["sampled_mean_length"]


def test_an_environment_of_another_kind_trains_too(tiny_config, tmp_path):
    config = dataclasses.replace(tiny_config, env="Pendulum-v1", steps=64)
    result = train(config, tmp_path / "run")
    assert result["success_rate"] is None and result["training_success_rate"] is None
    names = make("Pendulum-v1").get_wrapper_attr("action_names")
    assert RunDirectory.open(tmp_path / "run").config.action_names == names


def test_training_starts_from_pretrained_perception_weights(tiny_config, tmp_path, monkeypatch):
    env = make(tiny_config.env)
    torch.manual_seed(1)
    perception = Perception(env.get_wrapper_attr("senses"), PerceptionConfig(fusion="concat", state_dim=64))
    perception.save_pretrained(tmp_path / "pretrained")
    seen = {}

    def note_weights(callback):
        policy = callback._training.policy
        seen.update({name: tensor.clone() for name, tensor in perception_of(policy).state_dict().items()})

    rollout_starts = note_then(TrainingCallback.on_rollout_start, note_weights)
    monkeypatch.setattr(TrainingCallback, "on_rollout_start", rollout_starts)
    config = dataclasses.replace(tiny_config, steps=128, perception=str(tmp_path / "pretrained"))
    train(config, tmp_path / "run")
    assert RunDirectory.open(tmp_path / "run").config.perception.fusion == "concat"
    assert all(torch.equal(seen[name], tensor) for name, tensor in perception.state_dict().items())


def note_then(original, note):
    def both(*arguments):
        note(*arguments)
        return original(*arguments)

    return both


def test_pretrained_weights_for_other_senses_are_refused_before_anything_is_written(tiny_config, tmp_path):
    Perception(Spec(camera=Camera(32, 32))).save_pretrained(tmp_path / "pretrained")
    config = dataclasses.replace(tiny_config, perception=str(tmp_path / "pretrained"))
    with pytest.raises(CheckpointError, match="was trained for"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env": "BabyAI-GoToRedBal-v0"}, 'did you mean "BabyAI-GoToRedBall-v0"'),
        ({"fusion": "concatt"}, 'did you mean "concat"'),
        ({"preset": "laptopp"}, 'did you mean "laptop"'),
    ],
)
def test_an_unknown_name_says_did_you_mean_before_anything_is_written(tiny_config, tmp_path, changes, message):
    with pytest.raises(UnknownNameError) as caught:
        train(dataclasses.replace(tiny_config, **changes), tmp_path / "run")
    assert message in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_new_run_never_overwrites_an_old_one(trained, tiny_config, tmp_path):
    with pytest.raises(ConfigError, match=r"Continue it with --resume, or choose another --out\."):
        train(tiny_config, trained)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match="is a file"):
        train(tiny_config, tmp_path / "file")
    with pytest.raises(ConfigError, match="is a file"):
        train(tiny_config, tmp_path / "file" / "below")


def test_weights_that_are_no_longer_finite_stop_the_run_and_the_last_finite_ones_are_kept(
    tiny_config, tmp_path, monkeypatch
):
    def spoil(callback):
        if callback._training.steps >= 256:
            next(callback._training.policy.parameters()).data.fill_(float("nan"))

    monkeypatch.setattr(TrainingCallback, "on_rollout_start", note_then(TrainingCallback.on_rollout_start, spoil))
    with pytest.raises(ConfigError, match="Training diverged before step 256"):
        train(tiny_config, tmp_path / "run")
    assert [path.name for path in folders(tmp_path / "run" / "checkpoints")] == ["step-000000"]
    policy = RunDirectory.open(tmp_path / "run").load_policy()[0]
    assert all(bool(tensor.isfinite().all()) for tensor in policy.values())


def test_training_seeds_lie_below_the_held_out_ones():
    assert MAX_TRAINING_SEED + 4096 < FIRST_HELD_OUT_SEED


def test_two_processes_cannot_train_in_one_run_directory(trained):
    run = RunDirectory.open(trained)
    with run.held(), pytest.raises(ConfigError, match="Another process is training in"), run.held():
        pass
    with run.held():
        pass


def test_nothing_is_written_when_the_folder_refuses(tiny_config, tmp_path):
    if not os.path.isdir("/proc/self"):
        pytest.skip("needs a folder that refuses even root")
    with pytest.raises((CheckpointError, ConfigError), match="/proc"):
        train(dataclasses.replace(tiny_config, steps=128), "/proc/self/senseweave")


@pytest.mark.parametrize(("preset", "said", "threads"), [("laptop", None, 1), ("laptop", "2", 2), ("base", None, 2)])
def test_a_small_network_takes_one_thread_unless_told_otherwise(preset, said, threads, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        limit_threads(PerceptionConfig.preset(preset))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
