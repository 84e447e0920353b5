"""Two processes that take one folder at one moment: one has it, the other gets a sentence, and what is there is whole.

The processes meet at a barrier of shared memory right before they create, over and over, so that most rounds overlap.
"""

import dataclasses
import multiprocessing
import warnings
from pathlib import Path

import pytest

from senseweave.agent.runs.config import RunConfig
from senseweave.agent.runs.directory import RunDirectory
from senseweave.agent.settings.train import TrainConfig
from senseweave.perception.config import PerceptionConfig
from senseweave.perception.errors import ConfigError
from senseweave.perception.files import create_atomically
from senseweave.perception.spec import Camera, Spec

ROUNDS = 20


def config_of(seed: int) -> RunConfig:
    train = dataclasses.replace(TrainConfig(), seed=seed)
    return RunConfig.describe(train, {}, Spec(camera=Camera(16, 16)), PerceptionConfig(), 0.1, ("left",))


def begin_runs(folder: Path, seed: int, rounds: int, barrier, results) -> None:
    outcomes = []
    for number in range(rounds):
        config = config_of(seed)
        barrier.wait()
        try:
            outcomes.append(RunDirectory.create(folder / str(number), config).config.run)
        except ConfigError as error:
            outcomes.append(str(error))
    results.put((seed, outcomes))


def race(folder: Path, rounds: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this process has threads, which the children do not use
        context = multiprocessing.get_context("fork")
        barrier, results = context.Barrier(2), context.Queue()
        children = [
            context.Process(target=begin_runs, args=(folder, seed, rounds, barrier, results)) for seed in (1, 2)
        ]
        for child in children:
            child.start()
    outcomes = dict(results.get(timeout=300) for _ in children)
    for child in children:
        child.join()
    for number in range(rounds):
        told = {seed: outcomes[seed][number] for seed in outcomes}
        run = RunDirectory.open(folder / str(number)).config
        losers = [seed for seed in told if told[seed] != run.run]
        assert told[run.train.seed] == run.run and len(losers) == 1, told
        assert "Another process is starting a run" in told[losers[0]] or "must be new or empty" in told[losers[0]]


def test_one_of_two_processes_gets_a_run_directory(tmp_path):
    race(tmp_path, ROUNDS)


@pytest.mark.nightly
def test_one_of_two_processes_gets_a_run_directory_a_hundred_times(tmp_path):
    race(tmp_path, 100)


def test_a_file_is_created_once_also_where_there_are_no_hard_links(tmp_path, monkeypatch):
    assert create_atomically(tmp_path / "one", b"1") and not create_atomically(tmp_path / "one", b"2")

    def refuse(*arguments):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("senseweave.perception.files.os.link", refuse)
    assert create_atomically(tmp_path / "other", b"1") and not create_atomically(tmp_path / "other", b"2")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"one": b"1", "other": b"1"}
