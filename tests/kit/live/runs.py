"""What sessions with live sensors need: a policy that sees, hears and is told, hardly trained, and a clip with sound.

Test files import the fixtures that they use, by name.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kit.live.clips import write_clip

COMMAND = [sys.executable, "-P", "-m", "senseweave.agent.cli", "live"]


@pytest.fixture(scope="session")
def seeker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory; do not change it."""
    from senseweave.agent.settings.train import TrainConfig
    from senseweave.agent.train.train import train

    folder = tmp_path_factory.mktemp("seeker") / "run"
    config = TrainConfig(
        env="senseweave/Seek-v0", steps=0, imitation_steps=256, evaluation_episodes=0, video=False, device="cpu"
    )
    train(config, folder)
    return folder


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second and a half of grey that gets brighter, and a sine."""
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=30)


def start(*words: object) -> subprocess.Popen[str]:
    """A session in a process of its own."""
    return subprocess.Popen([*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_lines(path: Path, lines: int, process: subprocess.Popen[str]) -> None:
    """Waits until a process has written so many lines into a file."""
    while not path.exists() or path.read_text().count("\n") < lines:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def commands_in(path: Path) -> list[dict]:
    """The actions in a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]
