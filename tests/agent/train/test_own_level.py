"""A level of a user's own is trained and evaluated by the command line as ours are, in batches on the device."""

import json

import pytest

from kit.rooms.own_levels import own_level
from senseweave.agent import cli
from senseweave.agent.play.environments import is_batched, make_batch
from senseweave.perception.errors import UnknownNameError


@pytest.fixture
def package(tmp_path):
    with own_level(tmp_path) as name:
        yield name


def run_cli(capsys, *words):
    status = cli.main([str(word) for word in words])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_it_comes_as_one_batch_by_its_packages_name(package):
    env_id = f"{package}:senseweave/GoToKey-v0"
    assert is_batched(env_id)
    batch = make_batch(env_id, {"objects": 4}, 16)
    assert batch is not None
    batch.reset(seed=1)
    assert batch.state.object_cell.shape == (16, 4)
    with pytest.raises(UnknownNameError, match="cannot be found"):
        is_batched("no_such_package:senseweave/GoToKey-v0")


def test_train_and_evaluate_take_it_and_a_run_alone_imports_nothing(package, tmp_path, capsys):
    env_id, out = f"{package}:senseweave/GoToKey-v0", tmp_path / "run"
    words = ["--steps", 256, "--imitation-steps", 256, "--num-envs", 8, "--evaluation-episodes", 0, "--no-video"]
    status, printed, error = run_cli(
        capsys, "train", "--env", env_id, "--env-option", "objects=2", "--device", "cpu", "--out", out, *words, "--json"
    )
    assert status == 0, error
    assert json.loads(printed)["env"] == env_id
    status, printed, error = run_cli(
        capsys, "evaluate", out, "--env", env_id, "--episodes", 8, "--device", "cpu", "--json"
    )
    assert status == 0, error
    assert json.loads(printed)["episodes"] == 8
    status, _, error = run_cli(capsys, "evaluate", out, "--episodes", 8)
    assert status == 2 and f"add --env {env_id} --env-option objects=2 if you trust it" in error
