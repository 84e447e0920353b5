"""Whatever goes wrong in a training, the last moment between two rollouts is kept, and the fault is named."""

import errno
import io
import os
import signal
import sys

import pytest

from kit.benchmarks import BENCHMARKS
from senseweave.agent.cli.main import main
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.terminal.stop import StopRequest
from senseweave.perception.errors import CheckpointError
from senseweave.policies.saving.checkpoint import folders

WORDS = "--env faulty_world:Faulty-v0 --num-envs 4 --steps 2048 --evaluation-episodes 0 --no-video --device cpu"


@pytest.fixture
def world(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS / "parts"))
    import faulty_world

    monkeypatch.setattr(faulty_world.Faulty, "made", 0)
    return faulty_world


@pytest.mark.parametrize("trainer", ["senseweave", "sb3"])
@pytest.mark.parametrize("fault", ["RuntimeError", "sys.exit(3)", "reward nan", "reset: RuntimeError"])
def test_a_fault_is_named_with_its_environment_and_step_and_the_rollout_before_is_kept(
    tmp_path, monkeypatch, capsys, world, fault, trainer
):
    monkeypatch.setenv("FAULTY_WORLD", fault)
    run = tmp_path / "run"
    assert main(["train", *WORDS.split(), "--trainer", trainer, "--out", str(run)]) == 1
    said = capsys.readouterr().err
    assert "Environment 2 " in said and "at its step 300" in said and "learning-rate" not in said
    assert f"Go on with: senseweave train --resume {run} --env faulty_world:Faulty-v0" in said
    assert [path.name for path in folders(run / "checkpoints")] == ["step-001024"]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_every_signal_that_asks_for_an_end_is_a_request(name, capsys):
    with StopRequest("Stopping.") as stop:
        os.kill(os.getpid(), getattr(signal, name))
        assert stop.is_set
    assert capsys.readouterr().err == "\nStopping.\n"


class Gone(io.StringIO):
    """A terminal that was closed."""

    def write(self, text):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_hangup_that_is_ignored_stays_ignored_and_a_lost_terminal_is_no_error(monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest("Stopping.") as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.is_set
            with monkeypatch.context() as patch:
                patch.setattr(sys, "stderr", Gone())
                os.kill(os.getpid(), signal.SIGUSR1)
            assert stop.is_set
    finally:
        signal.signal(signal.SIGHUP, before)


def test_where_no_checkpoint_could_be_written_nobody_is_told_to_go_on(tmp_path, monkeypatch, capsys, world):
    def full(self, checkpoint):
        raise CheckpointError("no space left")

    monkeypatch.setenv("FAULTY_WORLD", "RuntimeError")
    monkeypatch.setattr(RunDirectory, "save_checkpoint", full)
    run = tmp_path / "run"
    assert main(["train", *WORDS.split(), "--out", str(run)]) == 1
    said = capsys.readouterr().err
    assert f"No checkpoint could be written, so begin anew with: senseweave train --resume {run}" in said
    assert "Go on with" not in said and "is kept" not in said
