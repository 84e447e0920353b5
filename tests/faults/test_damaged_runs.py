"""Whatever happens to the files of a run, loading ends in a `CheckpointError`, and nothing is half loaded."""

import json
import os
import random
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.runs.policies import load_policy
from senseweave.agent.train.train import resume
from senseweave.envs import make
from senseweave.perception.errors import CheckpointError, TokenizerMismatchError
from senseweave.perception.files import read_tensors, write_tensors
from senseweave.policies.saving import checkpoint as checkpoints
from senseweave.policies.saving.sealed import write_sealed


def open_policy(run: Path):
    opened = RunDirectory.open(run)
    env = make(opened.config.train.env)
    return load_policy(opened, env, torch.device("cpu"))


def newest_checkpoint(run: Path) -> Path:
    return checkpoints.folders(run / "checkpoints")[0]


def edit_json(path: Path, change, seal: bool = True) -> None:
    """Changes a JSON file as a bug of ours could have written it: with a seal that fits."""
    content = json.loads(path.read_text())
    del content["sha256"]
    change(content)
    if seal:
        write_sealed(path, content)
    else:
        path.write_text(json.dumps({"sha256": "0" * 64} | content))


def edit_tensors(path: Path, change) -> None:
    tensors, metadata = read_tensors(path)
    change(tensors)
    write_tensors(path, tensors, {key: value for key, value in metadata.items() if key != "sha256"})


def drop_one_tensor(tensors):
    tensors.pop(sorted(tensors)[0])


def add_one_tensor(tensors):
    tensors["extra.weight"] = torch.zeros(3)


def reshape_one_tensor(tensors):
    name = next(name for name, tensor in sorted(tensors.items()) if tensor.dim() == 2)
    tensors[name] = torch.zeros(1, 1)


def flip_bit(path: Path, at: int, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


POLICY = "policy.safetensors"
CONFIG = "config.json"

DAMAGES = {
    "the folder is missing": (lambda run: shutil.rmtree(run), "does not exist"),
    "config.json is missing": (lambda run: (run / CONFIG).unlink(), "has no config.json"),
    "config.json is empty": (lambda run: (run / CONFIG).write_text(""), "not valid JSON"),
    "config.json is half written": (
        lambda run: (run / CONFIG).write_bytes((run / CONFIG).read_bytes()[:300]),
        "not valid JSON",
    ),
    "config.json is a list": (lambda run: (run / CONFIG).write_text("[]"), "must hold a JSON object"),
    "config.json is binary": (lambda run: (run / CONFIG).write_bytes(bytes(range(256))), "not valid JSON"),
    "config.json is nested without end": (
        lambda run: (run / CONFIG).write_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}"),
        "config.json",
    ),
    "config.json was edited": (
        lambda run: (run / CONFIG).write_text((run / CONFIG).read_text().replace('"seed": 0', '"seed": 1')),
        "does not match its own checksum",
    ),
    "config.json has another version": (
        lambda run: edit_json(run / CONFIG, lambda content: content.update(version=2)),
        "must say format senseweave.run, version 1; got 'senseweave.run', 2",
    ),
    "config.json has another format": (
        lambda run: edit_json(run / CONFIG, lambda content: content.update(format="other")),
        "must say format",
    ),
    "config.json has no version": (lambda run: (run / CONFIG).write_text("{}"), "got None, None"),
    "config.json lacks a key": (
        lambda run: edit_json(run / CONFIG, lambda content: content.pop("step_s")),
        'lacks or does not know "step_s"',
    ),
    "config.json has an unknown key": (
        lambda run: edit_json(run / CONFIG, lambda content: content.update(colour="red")),
        'lacks or does not know "colour"',
    ),
    "config.json has an unknown setting": (
        lambda run: edit_json(run / CONFIG, lambda content: content["train"].update(stepz=1)),
        'did you mean "steps"',
    ),
    "config.json has a setting out of range": (
        lambda run: edit_json(run / CONFIG, lambda content: content["train"].update(steps=-1)),
        "`steps` must be",
    ),
    "config.json has an unknown fusion": (
        lambda run: edit_json(run / CONFIG, lambda content: content["perception"].update(fusion="magic")),
        "magic",
    ),
    "config.json has a spec of an unknown kind": (
        lambda run: edit_json(run / CONFIG, lambda content: content["spec"]["grid"].update(kind="Nose")),
        "unknown kind",
    ),
    "config.json has a list for a spec": (
        lambda run: edit_json(run / CONFIG, lambda content: content.update(spec=[1])),
        "does not describe a run",
    ),
    "config.json has a number for a spec's kind": (
        lambda run: edit_json(run / CONFIG, lambda content: content.update(spec={"grid": 3})),
        "does not describe a run",
    ),
    "the weights are missing": (lambda run: (run / POLICY).unlink(), "is missing"),
    "the weights are empty": (lambda run: (run / POLICY).write_bytes(b""), "damaged or truncated"),
    "the weights are truncated": (
        lambda run: (run / POLICY).write_bytes((run / POLICY).read_bytes()[:-1]),
        "damaged or truncated",
    ),
    "the weights are half there": (
        lambda run: (run / POLICY).write_bytes((run / POLICY).read_bytes()[:5000]),
        "damaged or truncated",
    ),
    "the weights are a folder": (
        lambda run: ((run / POLICY).unlink(), (run / POLICY).mkdir()),
        "policy.safetensors",
    ),
    "the weights claim an enormous header": (
        lambda run: (run / POLICY).write_bytes(b"\xff" * 8 + (run / POLICY).read_bytes()[8:]),
        "damaged or truncated",
    ),
    "the weights lack a key": (lambda run: edit_tensors(run / POLICY, drop_one_tensor), "1 missing, 0 unknown"),
    "the weights have an unknown key": (lambda run: edit_tensors(run / POLICY, add_one_tensor), "0 missing, 1 unknown"),
    "the weights have other shapes": (lambda run: edit_tensors(run / POLICY, reshape_one_tensor), "has shape (1, 1)"),
    "the weights have no checksum": (
        lambda run: save_file(load_file(run / POLICY), run / POLICY),
        "does not match its checksum",
    ),
    "the weights say another number of steps": (
        lambda run: write_tensors(
            run / POLICY, *(lambda tensors, metadata: (tensors, metadata | {"steps": "7"}))(*read_tensors(run / POLICY))
        ),
        "does not match its checksum",
    ),
    "the weights are a pickle": (
        lambda run: torch.save({"weight": torch.zeros(3)}, run / POLICY),
        "damaged or truncated",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_run_is_refused_in_one_sentence(copy_of_run, name):
    damage, message = DAMAGES[name]
    run = copy_of_run("run")
    damage(run)
    with pytest.raises(CheckpointError) as caught:
        open_policy(run)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_tokenizer_is_refused(copy_of_run):
    run = copy_of_run("run")
    edit_json(run / CONFIG, lambda content: content.update(tokenizer="senseweave-1:0123456789abcdef"))
    with pytest.raises(TokenizerMismatchError, match="was trained with tokenizer senseweave-1:0123456789abcdef"):
        open_policy(run)


def test_weights_of_another_run_are_refused_even_where_they_would_fit(copy_of_run, tiny_config, tmp_path):
    run, other = copy_of_run("run"), copy_of_run("other")
    edit_json(other / CONFIG, lambda content: content.update(run="another"))
    RunDirectory.open(other).save_policy(RunDirectory.open(run).load_policy()[0], 512)
    shutil.copy(other / POLICY, run / POLICY)
    with pytest.raises(CheckpointError, match="belongs to another run"):
        open_policy(run)


def test_a_bit_flip_anywhere_in_the_weights_or_the_configuration_is_noticed(copy_of_run):
    """50 places; a flip that changes no meaning at all (none was ever seen) would have to load the same values."""
    run = copy_of_run("run")
    whole, _ = RunDirectory.open(run).load_policy()
    generator = random.Random(0)
    for _ in range(50):
        path = run / generator.choice((POLICY, CONFIG))
        at, bit = generator.randrange(path.stat().st_size), generator.randrange(8)
        flip_bit(path, at, bit)
        try:
            loaded, _ = RunDirectory.open(run).load_policy()
        except CheckpointError:
            pass
        else:
            assert all(torch.equal(whole[name], loaded[name]) for name in whole), (path.name, at, bit)
        flip_bit(path, at, bit)
    RunDirectory.open(run).load_policy()


def test_a_damaged_newest_checkpoint_is_told_and_the_one_before_is_used(copy_of_run, capsys):
    run = copy_of_run("run")
    flip_bit(newest_checkpoint(run) / "optimizer.safetensors", 5000, 3)
    assert resume(run)["steps"] == 512
    told = capsys.readouterr().err
    assert "step-000512/optimizer.safetensors does not match its checksum" in told
    assert "Going back to step 256." in told
    checkpoints.load(newest_checkpoint(run), RunDirectory.open(run).config.run)


FILES = ("manifest.json", "state.json", "policy.safetensors", "optimizer.safetensors", "random.safetensors")


def test_any_damage_to_any_file_of_a_checkpoint_is_noticed(copy_of_run):
    """Truncation, a bit flip at 50 random places, a missing file and swapped files, each alone."""
    run = copy_of_run("run")
    run_id = RunDirectory.open(run).config.run
    folder = newest_checkpoint(run)
    generator = random.Random(1)
    for _ in range(50):
        path = folder / generator.choice(FILES)
        at, bit = generator.randrange(path.stat().st_size), generator.randrange(8)
        flip_bit(path, at, bit)
        with pytest.raises(CheckpointError):
            checkpoints.load(folder, run_id)
        flip_bit(path, at, bit)
    for name in FILES:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: generator.randrange(len(content))])
        with pytest.raises(CheckpointError):
            checkpoints.load(folder, run_id)
        (folder / name).unlink()
        with pytest.raises(CheckpointError):
            checkpoints.load(folder, run_id)
        (folder / name).write_bytes(content)
    older = checkpoints.folders(run / "checkpoints")[1]
    for name in FILES:
        content = (folder / name).read_bytes()
        if content == (older / name).read_bytes():
            continue  # the learning rate of the last update is 0, so that it may leave the weights as they were
        shutil.copy(older / name, folder / name)
        with pytest.raises(CheckpointError):
            checkpoints.load(folder, run_id)
        (folder / name).write_bytes(content)
    checkpoints.load(folder, run_id)
    with pytest.raises(CheckpointError, match="belongs to another run"):
        checkpoints.load(folder, "another")


def test_checkpoints_without_a_whole_one_end_in_one_sentence(copy_of_run):
    run = copy_of_run("run")
    for folder in checkpoints.folders(run / "checkpoints"):
        (folder / "manifest.json").unlink()
    with pytest.raises(CheckpointError, match="is whole; the newest: .*manifest.json cannot be read") as caught:
        resume(run)
    assert "\n" not in str(caught.value)


def reseal(folder: Path) -> None:
    """Writes a manifest that fits, as a bug of ours could."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest.pop("sha256")
    manifest["files"] = {name: checkpoints.file_sha256(folder / name) for name in manifest["files"]}
    write_sealed(folder / "manifest.json", manifest)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["state"].pop("random"),
        lambda state: state["state"].pop("metrics"),
        lambda state: state["state"].update(updates=None),
        lambda state: state["state"].update(recent=[{}]),
        lambda state: state["state"]["optimizer"].clear(),
        lambda state: state["state"]["random"].pop("numpy"),
        lambda state: state["state"]["random"]["python"].update(words=[1, 2]),
        lambda state: state.update(steps="many"),
        lambda state: state.update(state=[]),
        lambda state: state["parts"].update(policy=[]),
        lambda state: state.update(version=9),
    ],
    ids=range(11),
)
def test_a_checkpoint_with_the_wrong_content_is_refused_though_its_checksums_fit(copy_of_run, change):
    run = copy_of_run("run")
    shutil.rmtree(checkpoints.folders(run / "checkpoints")[0])
    folder = newest_checkpoint(run)
    edit_json(folder / "state.json", change)
    reseal(folder)
    with pytest.raises(CheckpointError):
        resume(run)


@pytest.mark.parametrize("change", [drop_one_tensor, add_one_tensor, reshape_one_tensor])
@pytest.mark.parametrize("name", ["policy", "optimizer"])
def test_a_checkpoint_with_other_tensors_is_refused_though_its_checksums_fit(copy_of_run, name, change):
    run = copy_of_run("run")
    shutil.rmtree(checkpoints.folders(run / "checkpoints")[0])
    folder = newest_checkpoint(run)
    edit_tensors(folder / f"{name}.safetensors", change)
    tensors, _ = read_tensors(folder / f"{name}.safetensors")
    edit_json(folder / "state.json", lambda state: state["parts"].update({name: sorted(tensors)}))
    reseal(folder)
    with pytest.raises(CheckpointError):
        resume(run)


@pytest.mark.timeout(60)
def test_what_is_no_folder_among_the_checkpoints_keeps_nobody_waiting(copy_of_run):
    run = copy_of_run("fifo")
    os.mkfifo(run / "checkpoints" / "step-999999")
    assert resume(run, steps=768)["steps"] == 768
    assert newest_checkpoint(run).name == "step-999999" and (run / "checkpoints" / "step-000768").is_dir()


@pytest.mark.parametrize("n_steps", [10**9, 0, "many"])
def test_a_rollout_without_end_is_refused_before_it_is_made(copy_of_run, n_steps):
    run = copy_of_run("endless")
    edit_json(run / "config.json", lambda content: content["algorithm"].update(n_steps=n_steps))
    with pytest.raises(CheckpointError, match="asks for rollouts of"):
        resume(run, steps=768)
