"""A supervised sensor whose device does what a test says, and whose events are all kept."""

import dataclasses
import threading
import time
from collections.abc import Callable

import numpy as np

from senseweave.envs.live.reading import Event, Reading
from senseweave.envs.live.sensor import ThreadedSensor
from senseweave.envs.live.source import Source

LONG_S = 60.0
"""How long a test waits for what must happen at all; nothing here needs it."""


class Device:
    """A device that any number of sources open, one attempt after the other, and that does what a test says."""

    def __init__(self, do: Callable[["DeviceSource", int], Reading | None]) -> None:
        self.do = do
        self.sources: list[DeviceSource] = []
        self.let_go = threading.Event()
        self.fail_open: Callable[[int], None] = lambda attempt: None

    def source(self) -> "DeviceSource":
        self.sources.append(DeviceSource(self, len(self.sources) + 1))
        return self.sources[-1]


class DeviceSource(Source):
    def __init__(self, device: Device, attempt: int) -> None:
        self.device, self.attempt = device, attempt
        self.reads = 0
        self.closed_by: list[int] = []
        self.opened_by = 0
        self.notes: list[tuple[str, str]] = []

    def open(self) -> None:
        self.opened_by = threading.get_ident()
        self.device.fail_open(self.attempt)

    def read(self) -> Reading | None:
        self.reads += 1
        return self.device.do(self, self.reads)

    def close(self) -> None:
        self.closed_by.append(threading.get_ident())

    def take_notes(self) -> list[tuple[str, str]]:
        taken, self.notes = self.notes, []
        return taken

    def reading(self, value: float = 0.0) -> Reading:
        time.sleep(0.002)
        return Reading(np.array([self.attempt, value], np.float32), self.clock.now_ns(), self.reads)


@dataclasses.dataclass
class Watched:
    """A started sensor, all its events so far, and ways to wait for something."""

    sensor: ThreadedSensor
    device: Device
    events: list[Event] = dataclasses.field(default_factory=list)

    def kinds(self) -> list[str]:
        self.events += self.sensor.take_events()
        return [event.kind for event in self.events]

    def until(self, is_so: Callable[[], bool]) -> None:
        give_up_s = time.monotonic() + LONG_S
        while not is_so():
            assert time.monotonic() < give_up_s, f"it did not happen; {self.kinds()}"
            time.sleep(0.002)

    def until_told(self, kind: str, times: int = 1) -> None:
        self.until(lambda: self.kinds().count(kind) >= times)

    def attempt(self) -> int:
        newest = self.sensor.newest(0)
        return 0 if newest is None else int(newest.content[0])
