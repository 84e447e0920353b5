import shutil

import pytest

from faults.kill_campaign import kill_saving, kill_training


@pytest.fixture
def emptied_run(copy_of_run):
    run = copy_of_run("saver")
    shutil.rmtree(run / "checkpoints")
    (run / "policy.safetensors").unlink()
    return run


def test_a_checkpoint_that_was_saved_survives_kill_9_in_the_middle_of_saving(emptied_run):
    assert kill_saving(emptied_run, kills=3)["checkpoints"] >= 3


def test_training_goes_on_after_kill_9(tmp_path):
    assert kill_training(tmp_path, kills=1)["steps"] > 32


@pytest.mark.nightly
def test_fifty_kills_in_the_middle_of_saving(emptied_run, record_property):
    result = kill_saving(emptied_run, kills=50, seed=1)
    record_property("result", result)
    print(result)
    assert result["kills_inside_a_write"] > 10


@pytest.mark.nightly
def test_fifty_kills_in_the_middle_of_training(tmp_path, record_property):
    result = kill_training(tmp_path, kills=50, seed=1)
    record_property("result", result)
    print(result)
