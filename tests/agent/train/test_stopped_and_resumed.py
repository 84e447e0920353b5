"""Training that somebody stops, that the disk refuses, or whose workers die loses no more than a rollout."""

import dataclasses
import errno
import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from stable_baselines3.common.vec_env import SubprocVecEnv

from kit.benchmarks import BENCHMARKS
from senseweave.agent.cli.main import main
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.train.callback import TrainingCallback
from senseweave.agent.train.train import train
from senseweave.perception.files import read_tensors
from senseweave.policies.presets import MEMORY_PRESET
from senseweave.policies.saving.checkpoint import folders, load

QUIET = ("--num-envs", "4", "--evaluation-episodes", "0", "--no-video", "--device", "cpu")
MINIGRID = ("--recipe", "plain", "--memory", "gru", "--env-option", "engine=minigrid")  # which cannot tell its state
SHORT = ("--set", "ppo.n_steps=20", "--set", "ppo.batch_size=40")
WORLDS = {
    "BabyAI-GoToRedBallGrey-v0": MINIGRID,
    "faulty_world:Faulty-v0": ("--memory", "gru"),
    "own_worlds:Reach-v0": SHORT,  # whose rewards are scaled
}


@pytest.fixture(autouse=True)
def own_world(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS / "parts"))


@pytest.fixture
def short_rollouts(monkeypatch):
    """Of 80 steps in four environments."""
    short = dataclasses.replace(MEMORY_PRESET, n_steps=20, batch_size=40)
    monkeypatch.setattr("senseweave.policies.trainers.on_device.MEMORY_PRESET", short)


def at_step(monkeypatch, steps, act):
    """Does something after so many steps of all environments, once."""
    plain, done = TrainingCallback.on_step, []

    def on_step(callback):
        if callback._training.steps >= steps and not done:
            done.append(act(callback))
        return plain(callback)

    monkeypatch.setattr(TrainingCallback, "on_step", on_step)


def difference(one, other):
    """What differs between the newest checkpoints of two runs, in tensors and step."""
    ends = [load(folders(run / "checkpoints")[0], RunDirectory.open(run).config.run) for run in (one, other)]
    found = [] if ends[0].steps == ends[1].steps else ["steps"]
    for part in ("policy", "optimizer", "random", "world"):
        once, twice = (getattr(end, part) for end in ends)
        assert once.keys() == twice.keys()
        found += [f"{part} {name}" for name in once if not torch.equal(once[name], twice[name])]
    return found


@pytest.mark.parametrize("env", WORLDS)
@pytest.mark.usefixtures("short_rollouts")
def test_a_run_that_was_interrupted_once_goes_back_to_where_it_ends_with_the_same_bits(
    tmp_path, monkeypatch, capsys, env
):
    words = ["train", "--env", env, *WORLDS[env], *QUIET, "--steps", "320", "--checkpoint-every", "160"]
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    with monkeypatch.context() as patch:
        at_step(patch, 280, lambda callback: os.kill(os.getpid(), signal.SIGINT))  # 240 is a rollout's end, and not due
        assert main([*words, "--out", str(tmp_path / "stopped")]) == 0
    assert [path.name for path in folders(tmp_path / "stopped" / "checkpoints")] == ["step-000240", "step-000160"]
    assert "add --exact to go back" in capsys.readouterr().err
    shutil.copytree(tmp_path / "stopped", tmp_path / "soon")
    named = ["--env", env] if ":" in env else []
    assert main(["train", "--resume", str(tmp_path / "soon"), *named]) == 0
    assert "will not be, bit for bit, that of a run that never stopped" in capsys.readouterr().err
    assert main(["train", "--resume", str(tmp_path / "stopped"), "--exact", *named]) == 0
    assert difference(tmp_path / "whole", tmp_path / "soon") != []
    assert difference(tmp_path / "whole", tmp_path / "stopped") == []


def test_a_full_disk_is_told_of_once_and_tried_again_and_the_old_checkpoint_stays_whole(
    tiny_config, tmp_path, monkeypatch, capsys
):
    plain_fsync, plain_start, kept = os.fsync, TrainingCallback.on_rollout_start, []

    def fsync(descriptor):
        if is_full():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        plain_fsync(descriptor)

    def is_full():
        return bool(seen) and 160 <= seen[-1] < 320

    def on_rollout_start(callback):
        seen.append(callback._training.steps)
        plain_start(callback)
        if is_full():
            kept.append(RunDirectory.open(tmp_path / "run").load_checkpoint(print).steps)

    seen = []
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(TrainingCallback, "on_rollout_start", on_rollout_start)
    train(
        dataclasses.replace(tiny_config, memory="gru", steps=400, checkpoint_every=80, keep_checkpoints=1),
        tmp_path / "run",
    )
    assert kept == [80, 80]
    said = capsys.readouterr().err
    assert said.count("Training goes on, and tries to write a checkpoint again after each rollout.") == 1
    assert "The checkpoint of step 320 is written." in said
    assert [path.name for path in folders(tmp_path / "run" / "checkpoints")] == ["step-000400"]


def test_a_worker_that_is_killed_ends_training_by_stable_baselines_in_a_sentence_with_a_checkpoint(
    tmp_path, monkeypatch, capsys
):
    def in_processes(makers):
        return SubprocVecEnv(makers, start_method="fork")

    monkeypatch.setattr("senseweave.agent.play.environments.DummyVecEnv", in_processes)

    def kill(callback):
        os.kill(callback._training.model.get_env().unwrapped.processes[1].pid, signal.SIGKILL)

    at_step(monkeypatch, 600, kill)
    quiet = ("--num-envs", "2", *QUIET[2:])
    words = ["train", "--env", "faulty_world:Faulty-v0", *quiet, "--trainer", "sb3", "--steps", "1024"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert "Worker 1, which plays environment 1, was ended by SIGKILL; the other workers are ended." in said
    assert "The state of step 512 is kept." in said and "Traceback" not in said
    assert [path.name for path in folders(tmp_path / "run" / "checkpoints")] == ["step-000512"]


KILLED = """
import os, signal, sys
from senseweave.agent import cli
from senseweave.agent.train.pretrain import checkpoints
plain = checkpoints.save
def save(folder, run, checkpoint, keep):
    plain(folder, run, checkpoint, keep=keep)
    if checkpoint.steps == 8:
        os.kill(os.getpid(), signal.SIGKILL)
checkpoints.save = save
cli.main(sys.argv[1:])
"""


def test_a_pretraining_that_was_killed_goes_on_to_the_same_bits(tmp_path):
    words = ["pretrain", "--env", "senseweave/SeekSeen-v0", "--env-option", 'senses=["grid","instruction"]']
    words += ["--objective", "contrastive", "--objective", "autoencoder=0.5", "--steps", "14", "--batch-size", "16"]
    words += ["--num-envs", "4", "--checkpoint-every", "4", "--device", "cpu"]
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    command = [sys.executable, "-P", "-c", KILLED, *words, "--out", str(tmp_path / "killed")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert main(["pretrain", "--resume", str(tmp_path / "killed")]) == 0
    ends = [read_tensors(tmp_path / name / "model.safetensors")[0] for name in ("whole", "killed")]
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
