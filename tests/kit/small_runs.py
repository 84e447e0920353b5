"""A small run, really trained, that tests read and copy. Folders of tests take it into their conftest.py."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

LEVEL = "BabyAI-GoToRedBallGrey-v0"


@pytest.fixture(scope="session")
def tiny_config():
    """512 steps in two rollouts, with a checkpoint after each."""
    from senseweave.agent.settings.train import TrainConfig

    return TrainConfig(
        env=LEVEL,
        steps=512,
        num_envs=2,
        device="cpu",
        checkpoint_every=256,
        keep_checkpoints=3,
        evaluation_episodes=0,
        video=False,
    )


@pytest.fixture(scope="session")
def trained(tiny_config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; do not change it."""
    from senseweave.agent.train.train import train

    folder = tmp_path_factory.mktemp("trained") / "run"
    train(tiny_config, folder)
    return folder


@pytest.fixture
def copy_of_run(trained: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Makes a copy of the finished run that a test may damage."""

    def copy(name: str) -> Path:
        return Path(shutil.copytree(trained, tmp_path / name))

    return copy
