"""What `PPO.save` wrote: whole, whenever a process is killed or the disk fails; and damage to it is noticed."""

import errno
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from faults.kill_campaign import spawn
from kit.failing_disk import FailingDisk
from kit.saved_models import SAVER, new_model
from senseweave.perception.errors import CheckpointError
from senseweave.policies import PPO
from senseweave.policies.saving.sealed import read_sealed, write_sealed

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def model():
    return new_model()


def with_steps(model, steps):
    model.num_timesteps = steps
    for part in model.policy.state_dict().values():
        part.fill_(float(steps))
    return model


def steps_of(folder):
    """The steps of the model in a folder, whose weights must be of the same moment."""
    loaded = PPO.load(folder, device="cpu")
    assert all(bool((part == loaded.num_timesteps).all()) for part in loaded.policy.state_dict().values())
    return loaded.num_timesteps


def test_a_model_that_was_saved_survives_kill_9_in_the_middle_of_saving_the_next_one(tmp_path):
    generator, last = random.Random(0), 0
    script = f"import sys; sys.path.insert(0, {str(TESTS)!r})\n{SAVER}"
    for _ in range(2):
        with spawn(["-c", script, str(tmp_path / "model"), str(last)], stdout=subprocess.PIPE) as process:
            reported = int(process.stdout.readline())
            time.sleep(generator.uniform(0.0, 0.15))
            process.send_signal(signal.SIGKILL)
            reported = max([reported, *(int(line) for line in process.stdout.read().split("\n") if line)])
        last = steps_of(tmp_path / "model")
        assert reported <= last <= reported + 1


def test_a_disk_that_fails_at_any_moment_leaves_the_old_model_or_the_new_one_whole(model, tmp_path, monkeypatch):
    folder, at, outcomes, now = tmp_path / "model", 0, [], 100
    with_steps(model, now).save(folder)
    while True:
        at += 1
        old = now
        with monkeypatch.context() as patch:
            disk = FailingDisk(patch, at, errno.ENOSPC, is_for_good=False)
            try:
                with_steps(model, old + 1).save(folder)
            except CheckpointError as failure:
                told = str(failure)
                assert "could not be written" in told or "cannot be read" in told
                assert "\n" not in told
        now = steps_of(folder)
        outcomes.append(now - old)
        if not disk.has_failed:
            break
    assert set(outcomes) == {0, 1} and outcomes[-1] == 1
    assert len(list((folder / "checkpoints").iterdir())) == 1, "what failed saves left is cleared away"


def flip_bit(path, place):
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 4
    path.write_bytes(content)


def test_a_flipped_bit_in_any_file_that_is_read_is_told_in_one_sentence(model, tmp_path):
    with_steps(model, 100).save(tmp_path / "model")
    names = [path.relative_to(tmp_path / "model") for path in (tmp_path / "model").rglob("*") if path.is_file()]
    assert len(names) == 8
    for number, name in enumerate(names):
        copy = shutil.copytree(tmp_path / "model", tmp_path / str(number))
        flip_bit(copy / name, (0.1, 0.5, 0.9)[number % 3])
        if name.name == "policy.safetensors" and len(name.parts) == 1:
            shutil.rmtree(copy / "checkpoints")  # it is what predicting needs, where nothing else is kept
        with pytest.raises(CheckpointError) as failure:
            PPO.load(copy)
        assert "\n" not in str(failure.value)


def test_config_and_weights_are_enough_to_predict(model, tmp_path):
    with_steps(model, 100).save(tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / "checkpoints")
    loaded = PPO.load(tmp_path / "model", device="cpu")
    assert torch.equal(loaded.policy.value_net.bias, torch.full((1,), 100.0))
    os.remove(tmp_path / "model" / "policy.safetensors")
    with pytest.raises(CheckpointError, match="is missing"):
        PPO.load(tmp_path / "model")


def lists_too_few(content):
    del content["num_envs"]


@pytest.mark.parametrize(
    "change",
    [
        lists_too_few,
        lambda content: content.update(checkpoint="../../elsewhere"),
        lambda content: content.update(checkpoint=7),
        lambda content: content.update(steps="many"),
        lambda content: content.update(left_out=None),
        lambda content: content.update(policy="os.system"),
        lambda content: content.update(policy=None),
        lambda content: content.update(observation_space={"sort": "Text"}),
        lambda content: content.update(action_space=[]),
        lambda content: content.update(environment={"id": 3}),
        lambda content: content["settings"].update(learning_rate={"linear": ["a", 0]}),
        lambda content: content["settings"].update(eval="1"),
        lambda content: content["settings"].update(policy_kwargs=[]),
        lambda content: content["settings"]["policy_kwargs"].update(activation_fn={"$class": "os.system"}),
        lambda content: content["settings"]["policy_kwargs"].update(net_arch={"$spec": 3}),
    ],
)
def test_a_config_with_the_wrong_content_is_refused_though_its_checksum_fits(model, tmp_path, change):
    model.save(tmp_path / "model")
    content = read_sealed(tmp_path / "model" / "config.json", "senseweave.model", 1)
    change(content)
    write_sealed(tmp_path / "model" / "config.json", content)
    with pytest.raises(CheckpointError) as failure:
        PPO.load(tmp_path / "model")
    assert "\n" not in str(failure.value)
