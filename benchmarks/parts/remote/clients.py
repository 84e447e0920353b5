"""A policy server in its own process, clients that keep a rate, and a rig that it drives: what serving.py measures.

Run as a command it is such a client process: python benchmarks/parts/remote/clients.py URL CLIENTS RATE_HZ SECONDS
"""

import contextlib
import dataclasses
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from senseweave.envs.live.bodies.actuators import CallbackActuator, Command
from senseweave.envs.live.clock import NS_PER_S, SystemClock
from senseweave.envs.live.faults.scripted import Script, ScriptedSensor, content_of
from senseweave.envs.live.remote.link import Link
from senseweave.envs.live.remote.messages import pack_observation
from senseweave.envs.live.remote.policy import RemotePolicy
from senseweave.envs.live.rig import LiveRig
from senseweave.envs.live.tick import Tick
from senseweave.perception.spec import PRESENT, Spec

SAFE = "done"
Observation = dict[str, np.ndarray]


@dataclasses.dataclass
class Served:
    """A server that listens."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"ws://127.0.0.1:{self.port}"

    def memory_mb(self) -> float:
        """What its process holds."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4096 / 1e6


@contextlib.contextmanager
def served(run: Path, *, port: int = 0, clients: int = 20) -> Iterator[Served]:
    """Serves a run until the block ends, which kills it."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told"
        words = [sys.executable, "-P", "-m", "senseweave.agent.cli", "serve", str(run), "--port", str(port)]
        with told.open("w") as errors:
            process = subprocess.Popen(
                [*words, "--device", "cpu", "--max-clients", str(clients)], stderr=errors, text=True
            )
        try:
            while not (found := re.search(r" acts at ws://127\.0\.0\.1:(\d+) on ", told.read_text())):
                if process.poll() is not None:
                    raise SystemExit(f"The server did not start: {told.read_text()}")
                time.sleep(0.02)
            yield Served(process, int(found[1]))
        finally:
            process.kill()
            process.wait()


def observations(senses: Spec, count: int = 16) -> list[Observation]:
    """Different observations in which everything is present."""
    return [
        {name: content_of(kind, number) for name, kind in senses.items()} | {PRESENT: senses.present()}
        for number in range(count)
    ]


def paced(rate_hz: float, seconds: float, act: Callable[[int], float | None]) -> list[float]:
    """Calls at a rate for a while; what the calls gave, in their order, None left out."""
    begin_s, given = time.monotonic(), []
    for number in range(round(rate_hz * seconds)):
        time.sleep(max(0.0, begin_s + number / rate_hz - time.monotonic()))
        if (result := act(number)) is not None:
            given.append(result)
    return given


def round_trips_ms(url: str, clients: int, rate_hz: float, seconds: float) -> tuple[list[float], int]:
    """Round trips of several clients, a thread each; and how many observations had no answer within a second."""
    trips: list[list[float]] = [[] for _ in range(clients)]

    def run(i: int) -> None:
        link = Link(url)
        senses = link.connect().senses
        seen, ages_s = observations(senses), dict.fromkeys(senses, 0.01)

        def ask(number: int) -> float | None:
            began_s = time.perf_counter()
            packed = pack_observation(
                number, seen[number % 16], ages_s, senses=senses, own=senses, is_first=number == 0
            )
            if link.ask(number, packed) or link.wait(number, 1.0) is None:
                return None
            return 1000 * (time.perf_counter() - began_s)

        time.sleep(i / clients / rate_hz)  # robots do not tick at one moment
        trips[i] = paced(rate_hz, seconds, ask)
        link.close()

    threads = [threading.Thread(target=run, args=[i]) for i in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = [trip for own in trips for trip in own]
    return whole, round(rate_hz * seconds) * clients - len(whole)


def in_processes(url: str, clients: int, rate_hz: float, seconds: float) -> tuple[list[float], int]:
    """As `round_trips_ms`, with at most four clients a process, so that they do not wait for each other."""
    shares = [min(4, clients - first) for first in range(0, clients, 4)]
    words = [sys.executable, "-P", __file__, url]
    processes = [
        subprocess.Popen([*words, str(share), str(rate_hz), str(seconds)], stdout=subprocess.PIPE, text=True)
        for share in shares
    ]
    given = [json.loads(process.communicate()[0]) for process in processes]
    return [trip for trips, _ in given for trip in trips], sum(unanswered for _, unanswered in given)


@dataclasses.dataclass
class Driven:
    """How a rig was driven while something happened to its server.

    Attributes:
        ticks: all of them.
        sent: all commands, but for the last safe one.
        marks: name -> when it happened, in ns of the rig's clock.
        period_s: of a tick.
        watchdog_s: after so long without an action the safe one is due.
    """

    ticks: list[Tick]
    sent: list[Command]
    marks: dict[str, int]
    period_s: float
    watchdog_s: float

    def own(self) -> list[Command]:
        """The commands that the policy chose."""
        return [command for command in self.sent if not command.is_safe]

    def oldest_action_s(self) -> float:
        """From an observation to the action that was chosen for it, at most."""
        return max(
            (tick.sent.time_ns - tick.moment.time_ns) / NS_PER_S
            for tick in self.ticks
            if tick.sent is not None and not tick.sent.is_safe
        )

    def to_safety_s(self) -> list[float]:
        """From each last action of the policy to the safe one that followed it."""
        pairs = zip(self.sent, self.sent[1:], strict=False)
        return [(after.time_ns - one.time_ns) / NS_PER_S for one, after in pairs if after.is_safe and not one.is_safe]


def drive(url: str, rate_hz: float, happenings: Sequence[tuple[float, str, Callable[[], Any]]]) -> Driven:
    """Drives a rig of scripted sensors while things happen.

    Args:
        url: of the server.
        rate_hz: of the rig.
        happenings: seconds since the one before, a name, and what is done; the last one is the end.
    """
    from senseweave.agent.live.loop import run_loop

    link = Link(url)
    hello = link.connect()
    sensors = {name: ScriptedSensor(name, Script(kind, 40.0), max_age_s=0.5) for name, kind in hello.senses.items()}
    sent: list[Command] = []
    rig = LiveRig(
        hello.senses,
        sensors,
        action_names=hello.action_names,
        step_s=1 / rate_hz,
        safe_action=SAFE,
        clock=SystemClock(),
        actuator=CallbackActuator(sent.append),
    )
    marks: dict[str, int] = {}
    is_over, has_begun = threading.Event(), threading.Event()

    def happen() -> None:
        has_begun.wait()
        for seconds, name, do in happenings:
            time.sleep(seconds)
            do()
            marks[name] = time.monotonic_ns()
        is_over.set()

    thread = threading.Thread(target=happen, daemon=True)
    thread.start()
    ticks: list[Tick] = []
    run_loop(
        rig,
        RemotePolicy(link, rig),
        observers=[ticks.append, lambda tick: has_begun.set()],
        wants_to_stop=is_over.is_set,
    )
    kept = list(sent)
    rig.close()
    link.close()
    return Driven(ticks, kept, marks, rig.period_s, rig.watchdog_s)


if __name__ == "__main__":
    address, count, hertz, length_s = sys.argv[1:]
    print(json.dumps(round_trips_ms(address, int(count), float(hertz), float(length_s))))
