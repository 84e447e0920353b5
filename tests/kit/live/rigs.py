"""Rigs of scripted sensors for tests: two senses, two actions, a virtual clock."""

import numpy as np

from senseweave.envs.live.bodies.actuators import CallbackActuator, Command
from senseweave.envs.live.clock import VirtualClock
from senseweave.envs.live.faults.scripted import Script, ScriptedSensor
from senseweave.envs.live.reading import Event, Reading
from senseweave.envs.live.rig import LiveRig
from senseweave.envs.live.sensor import Sensor
from senseweave.perception.spec import Camera, Instruction, Spec, Vector

SENSES = Spec(camera=Camera(16, 16), touch=Vector(3))


def scripted(senses: Spec = SENSES, rate_hz: float = 40, **faults) -> dict[str, Sensor]:
    return {
        name: ScriptedSensor(name, Script(kind, rate_hz, faults.get(name, ())), max_age_s=0.15)
        for name, kind in senses.items()
    }


def rig_of(sensors: dict[str, Sensor] | None = None, **options) -> LiveRig:
    options = {"action_names": ("go", "stay"), "step_s": 0.1, "clock": VirtualClock()} | options
    return LiveRig(SENSES, scripted() if sensors is None else sensors, **options)


def collect(**options) -> tuple[LiveRig, list[Command]]:
    sent: list[Command] = []
    return rig_of(actuator=CallbackActuator(sent.append), **options), sent


class ToldSensor(Sensor):
    """An instruction that a test says out loud."""

    def __init__(self) -> None:
        super().__init__("instruction", Instruction(4, 10))
        self.reading: Reading | None = None
        self.events: list[Event] = []

    def start(self, clock) -> None:
        self.clock = clock

    def newest(self, now_ns: int) -> Reading | None:
        return self.reading

    def take_events(self) -> list[Event]:
        taken, self.events = self.events, []
        return taken

    def say(self, text: str) -> None:
        if text == "stop":
            self.events.append(Event(self.clock.now_ns(), "instruction", "stop", text))
        else:
            self.reading = Reading(np.ones(4, np.int32), self.clock.now_ns(), 0, text)
