"""Drivers that come back when nobody waits for them any more: they change nothing, and do not abort the process."""

import subprocess
import sys
import threading
import time

import numpy as np

from kit.limits import HANG_S
from senseweave.envs.live.backoff import Backoff
from senseweave.envs.live.clock import SystemClock
from senseweave.envs.live.reading import Reading
from senseweave.envs.live.sensor import ThreadedSensor
from senseweave.envs.live.source import Source, SourceError
from senseweave.perception.spec import Vector

KIND = Vector(2)
LONG_S = 60.0
"""How long a test waits for what must happen at all."""


class HangsOnce(Source):
    """The first of these hangs until it is let go, and raises then; the others work."""

    let_go, was_closed = threading.Event(), threading.Event()
    count = 0

    def open(self) -> None:
        HangsOnce.count += 1
        self.hangs = HangsOnce.count == 1

    def read(self) -> Reading:
        if self.hangs:
            self.let_go.wait(LONG_S)
            raise SourceError("I am back, and broken.")
        time.sleep(0.002)
        return Reading(np.zeros(2, np.float32), self.clock.now_ns(), 0)

    def close(self) -> None:
        if self.hangs:
            self.was_closed.set()


def wait_until(is_so) -> None:
    give_up_s = time.monotonic() + LONG_S
    while not is_so():
        assert time.monotonic() < give_up_s, "it did not happen"
        time.sleep(0.002)


def test_an_abandoned_driver_that_raises_later_is_no_failure_of_the_one_that_works() -> None:
    backoff = Backoff(start_up_s=0.1, stall_s=20, grace_s=0.02, first_delay_s=0.01, max_delay_s=0.02)
    sensor = ThreadedSensor("touch", KIND, HangsOnce, backoff=backoff)
    sensor.start(SystemClock())
    try:
        wait_until(lambda: sensor.failure)
        wait_until(lambda: sensor.inbox.newest is not None)
        wait_until(lambda: not sensor.failure)  # what works again has no failure to tell
        HangsOnce.let_go.set()
        assert HangsOnce.was_closed.wait(LONG_S)
        assert sensor.failure == ""
        assert "failed" not in [event.kind for event in sensor.take_events()]
    finally:
        sensor.stop()


LEAVES_WHILE_A_DRIVER_HANGS = """
import time
from senseweave.envs.live.clock import SystemClock
from senseweave.envs.live.backoff import Backoff
from senseweave.envs.live.sensor import ThreadedSensor
from senseweave.envs.live.source import Source
from senseweave.perception.spec import Vector

class Slow(Source):
    def open(self):
        print("opening", flush=True)
    def read(self):
        time.sleep(1.0)  # as a library does that waits for a silent network
        print("back", flush=True)
    def close(self):
        print("closed", flush=True)

sensor = ThreadedSensor("touch", Vector(2), Slow, backoff=Backoff(grace_s=0.05))
sensor.start(SystemClock())
time.sleep(0.3)
sensor.stop()
print("leaving", flush=True)
"""


def test_the_end_of_a_process_waits_for_a_driver_that_is_on_its_way_back() -> None:
    out = subprocess.run(
        [sys.executable, "-P", "-c", LEAVES_WHILE_A_DRIVER_HANGS],
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_S,
    )
    assert out.stdout.split() == ["opening", "leaving", "back", "closed"], out.stderr
