"""A disk that fails at any one moment of saving costs at most the newest checkpoint, and never the one before."""

import errno
import os
from pathlib import Path

import pytest
import torch

from kit.failing_disk import FailingDisk
from senseweave.agent.runs.config import RunConfig
from senseweave.agent.runs.directory import RunDirectory
from senseweave.perception.errors import CheckpointError
from senseweave.policies.saving import checkpoint as checkpoints


def a_checkpoint(steps: int) -> checkpoints.Checkpoint:
    generator = torch.Generator().manual_seed(steps)
    weights = {"weight": torch.randn(64, 64, generator=generator), "bias": torch.randn(64, generator=generator)}
    return checkpoints.Checkpoint(steps, weights, {"0.exp_avg": weights["weight"]}, {"torch": torch.zeros(8)}, {"a": 1})


def load_and_compare(run: RunDirectory) -> int:
    """The newest checkpoint's step; its content must be what was saved at that step."""
    loaded = run.load_checkpoint(lambda _: None)
    assert torch.equal(loaded.policy["weight"], a_checkpoint(loaded.steps).policy["weight"])
    policy, steps = run.load_policy()
    assert torch.equal(policy["weight"], a_checkpoint(steps).policy["weight"])
    return loaded.steps


@pytest.fixture
def new_run(trained, tmp_path):
    config = RunConfig.read(trained / "config.json")

    def create(name: str, keep: int = 1) -> RunDirectory:
        train = type(config.train).from_json(config.train.to_json() | {"keep_checkpoints": keep})
        return RunDirectory.create(tmp_path / name, RunConfig(**{**vars(config), "train": train}))

    return create


@pytest.mark.parametrize("is_for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES], ids=["full", "broken", "forbidden"])
def test_a_write_that_fails_anywhere_leaves_the_newest_or_the_previous_checkpoint(
    new_run, monkeypatch, error, is_for_good
):
    at, outcomes = 0, []
    while True:
        at += 1
        run = new_run(f"run-{at}")
        run.save_checkpoint(a_checkpoint(100))
        with monkeypatch.context() as patch:
            disk = FailingDisk(patch, at, error, is_for_good)
            try:
                run.save_checkpoint(a_checkpoint(200))
            except CheckpointError as failure:
                assert "could not be written" in str(failure) and "\n" not in str(failure)
                assert os.strerror(error) in str(failure)
        steps = load_and_compare(run)
        outcomes.append(steps)
        assert steps in (100, 200)
        if not disk.has_failed:
            assert steps == 200
            break
        run.save_checkpoint(a_checkpoint(300))
        assert load_and_compare(run) == 300
        names = {path.name for path in (run.path / "checkpoints").iterdir()}
        assert names == {"step-000300"}, "what a failed save left is cleared away"
    assert at > 20 and {100, 200} <= set(outcomes), "both outcomes were really met"


def test_a_run_whose_first_write_fails_can_be_created_again(trained, monkeypatch, tmp_path):
    config = RunConfig.read(trained / "config.json")
    at = 0
    while True:
        at += 1
        with monkeypatch.context() as patch:
            disk = FailingDisk(patch, at, errno.ENOSPC, False)
            try:
                RunDirectory.create(tmp_path / f"{at}", config)
            except CheckpointError:
                assert disk.has_failed
        if not disk.has_failed:
            break
        if not (tmp_path / f"{at}" / "config.json").exists():
            RunDirectory.create(tmp_path / f"{at}", config)
        assert RunDirectory.open(tmp_path / f"{at}").config == config
    assert at > 3


def test_older_checkpoints_are_removed_only_after_the_new_one_is_there(new_run, monkeypatch):
    run = new_run("run", keep=2)
    for steps in (100, 200):
        run.save_checkpoint(a_checkpoint(steps))
    there_at_removal: list[set[str]] = []
    original = checkpoints.remove_folder

    def watch(folder: Path) -> None:
        if folder.exists() and not folder.name.startswith("."):
            there_at_removal.append({path.name for path in checkpoints.folders(run.path / "checkpoints")})
        original(folder)

    monkeypatch.setattr(checkpoints, "remove_folder", watch)
    run.save_checkpoint(a_checkpoint(300))
    assert there_at_removal == [{"step-000100", "step-000200", "step-000300"}]
    assert [path.name for path in checkpoints.folders(run.path / "checkpoints")] == ["step-000300", "step-000200"]


def test_a_full_disk_and_a_forbidden_folder_say_what_to_do(new_run, monkeypatch):
    for error, mend in ((errno.ENOSPC, "free some space"), (errno.EROFS, "a folder that you may write to")):
        with monkeypatch.context() as patch:
            run = new_run(f"run-{error}")
            FailingDisk(patch, 1, error, True)
            with pytest.raises(CheckpointError, match=mend):
                run.save_checkpoint(a_checkpoint(100))
