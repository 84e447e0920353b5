"""A policy server in a process of its own, and rigs that it may drive. Test files import the fixtures they use."""

import contextlib
import dataclasses
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.limits import HANG_S
from senseweave.envs.live.bodies.actuators import CallbackActuator, Command
from senseweave.envs.live.clock import SystemClock
from senseweave.envs.live.faults.scripted import Script, ScriptedSensor
from senseweave.envs.live.rig import LiveRig
from senseweave.perception.spec import Spec

COMMAND = [sys.executable, "-P", "-m", "senseweave.agent.cli", "serve"]


@dataclasses.dataclass
class Served:
    """A server that listens."""

    process: subprocess.Popen[str]
    url: str
    told: Path
    last: str = ""

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def text(self) -> str:
        """What it has told so far, also after its end."""
        self.last = self.told.read_text() if self.told.exists() else self.last
        return self.last

    def end(self) -> dict[str, Any]:
        """Ends it as Ctrl-C does; what it says of itself."""
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=HANG_S)
        told = self.text()
        assert self.process.returncode == 0, told
        return json.loads(out)


@contextlib.contextmanager
def served(run: Path, *options: object, port: int = 0, command: list[str] = COMMAND) -> Iterator[Served]:
    """Serves a run until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told"
        words = [*command, str(run), "--port", str(port), "--json", "--device", "cpu", *map(str, options)]
        with told.open("w") as errors:
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            began_s = time.monotonic()
            while not (found := re.search(r" acts at (ws://\S+) on ", told.read_text())):
                assert process.poll() is None and time.monotonic() - began_s < HANG_S, told.read_text()
                time.sleep(0.05)
            yield Served(process, found[1], told)
        finally:
            process.kill()
            process.communicate()


@pytest.fixture(scope="session")
def rememberer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose policy remembers, hardly trained; do not change it."""
    from senseweave.agent.settings.train import TrainConfig
    from senseweave.agent.train.train import train

    folder = tmp_path_factory.mktemp("rememberer") / "run"
    settings = {"env": "senseweave/Seek-v0", "steps": 0, "imitation_steps": 256, "memory": "gru", "device": "cpu"}
    train(TrainConfig(**settings, evaluation_episodes=0, video=False), folder)
    return folder


@pytest.fixture(scope="session")
def server(rememberer: Path) -> Iterator[Served]:
    """A server of `rememberer`, greedy, which all tests share; each test leaves it as it was."""
    with served(rememberer, "--greedy", "--max-clients", 8) as one:
        yield one


def scripted_rig(senses: Spec, names: tuple[str, ...], **options: Any) -> tuple[LiveRig, list[Command]]:
    """A rig of scripted sensors in real time, and the commands that it sends."""
    sensors = {name: ScriptedSensor(name, Script(kind, 40.0), max_age_s=0.5) for name, kind in senses.items()}
    sent: list[Command] = []
    options = {"step_s": 0.05, "safe_action": names[-1], "start_up_s": 1.0} | options
    rig = LiveRig(
        senses, sensors, action_names=names, clock=SystemClock(), actuator=CallbackActuator(sent.append), **options
    )
    return rig, sent
