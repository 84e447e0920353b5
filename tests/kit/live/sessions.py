"""Scripted sessions on a virtual clock, for the tests of recording, replay and report."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from senseweave.agent.live.loop import run_loop
from senseweave.envs.live.clock import VirtualClock
from senseweave.envs.live.faults.faults import ClockJumps, Fault, Frozen, Late, Raises, Stall, Unplugged
from senseweave.envs.live.faults.scripted import Script, ScriptedSensor
from senseweave.envs.live.rig import LiveRig
from senseweave.envs.live.sessions.recorder import Recorder
from senseweave.envs.live.tick import Move, Tick
from senseweave.perception.spec import Camera, Grid, Instruction, Microphone, Spec, Vector

SENSES = Spec(
    camera=Camera(16, 24),
    audio=Microphone(2, 400, 16000),
    compass=Vector(3),
    instruction=Instruction(8, 1024),
    view=Grid(3, 3, (4, 5)),
    unplugged=Vector(2),
)
ACTIONS = ("left", "right", "forward")
AUDIO_HZ = 50
FAULTS: dict[str, tuple[Fault, ...]] = {
    "camera": (Stall(1.0, 0.6), Raises(2.0, 0.3), Late(3.0, 1.0, by_s=0.35)),
    "audio": (Unplugged(1.5, 0.8), ClockJumps(3.0, 0.3, by_s=-0.5)),
    "compass": (Frozen(1.0, 2.0, looks_new=True),),
    "view": (Late(0.5, 2.0, by_s=0.9),),
}
UNCHANGED_S = {"compass": 0.5}
MAX_AGE_S = {"camera": 0.3, "audio": 0.3, "compass": 0.3, "instruction": math.inf, "view": 0.3}


def sound(number: int) -> np.ndarray:
    """A window whose last sample is number * 320 of an endless melody: windows overlap, as a microphone's do."""
    last = 320 * (number + 1)
    times = np.arange(last - 400, last)
    wave = np.stack([np.sin(times / 20), np.sin(times / 33)]) * 0.9
    return (np.round(wave * 2**15) / 2**15).astype(np.float32)


class SampleScript(Script):
    """Numbers its readings by samples, as microphones do."""

    def reading(self, take: Any) -> Any:
        reading = super().reading(take)
        return None if reading is None else dataclasses.replace(reading, number=320 * (take.number + 1))


def make_rig(start_ns: int = 5_000_000_000, faults: dict[str, tuple[Fault, ...]] = FAULTS, **options: Any) -> LiveRig:
    sensors = {}
    for name, rate_hz in {"camera": 30, "audio": AUDIO_HZ, "compass": 20, "instruction": 1, "view": 10}.items():
        kind = SENSES[name]
        if name == "audio":
            script: Script = SampleScript(kind, rate_hz, faults.get(name, ()), content=sound)
        else:
            script = Script(kind, rate_hz, faults.get(name, ()))
        sensors[name] = ScriptedSensor(name, script, max_age_s=MAX_AGE_S[name], unchanged_s=UNCHANGED_S.get(name))
    options = {"clock": VirtualClock(start_ns), "start_up_s": 0.0} | options
    return LiveRig(SENSES, sensors, action_names=ACTIONS, step_s=0.1, **options)


class Player:
    """Turns in a fixed order and says how far it lets each sense in."""

    has_gates = True

    def start(self, seed: int) -> None:
        self.count = 0

    def act(self, observation: Any) -> Move:
        self.count += 1
        gates = {name: 0.5 + 0.5 * math.sin(self.count / 7 + i) for i, name in enumerate(SENSES)}
        return Move(self.count % len(ACTIONS), gates)


def play(rig: LiveRig, seconds: float, *on_tick: Callable[[Tick], object]) -> list[Tick]:
    ticks: list[Tick] = []
    run_loop(rig, Player(), seconds=seconds, observers=[ticks.append, *on_tick])
    return ticks


def record(
    path: Path, seconds: float = 5.0, on_tick: Sequence[Callable[[Tick], object]] = (), rig: LiveRig | None = None
) -> list[Tick]:
    """Records a session, with faults where no rig is given, into a file; returns its ticks."""
    rig = rig or make_rig()
    with Recorder.of(rig, path, policy={"run": "abc"}) as recorder:
        ticks = play(rig, seconds, recorder.on_tick, *on_tick)
    assert recorder.failure == "" and recorder.dropped == {}
    return ticks
