"""Drivers of other people that do what a driver should not: end the program, or tell the time of another clock."""

import time

import numpy as np
import pytest

from kit.limits import HANG_S
from senseweave.envs.live.backoff import Backoff
from senseweave.envs.live.clock import SystemClock
from senseweave.envs.live.reading import Reading
from senseweave.envs.live.sensor import ThreadedSensor
from senseweave.envs.live.source import Source
from senseweave.perception.spec import Vector


@pytest.mark.parametrize("leaves", [SystemExit, KeyboardInterrupt])
def test_a_driver_that_tries_to_end_the_program_fails_like_any_other(leaves):
    class Leaving(Source):
        def open(self):
            raise leaves("bye")

        def close(self):
            pass

    sensor = ThreadedSensor("leaving", Vector(2), Leaving, backoff=Backoff(first_delay_s=0.01, max_delay_s=0.01))
    sensor.start(SystemClock())
    try:
        end = time.monotonic() + HANG_S
        while not sensor.failure and time.monotonic() < end:
            time.sleep(0.01)
    finally:
        sensor.stop()
    assert leaves.__name__ in sensor.failure and "bye" in sensor.failure
    assert [event.kind for event in sensor.take_events()][0] == "failed"


def test_capture_times_of_another_clock_are_told_once():
    class WallClock(Source):
        number = 0

        def open(self):
            pass

        def read(self):
            self.clock.sleep_until_ns(self.clock.now_ns() + 1_000_000)
            self.number += 1
            return Reading(np.zeros(2, np.float32), time.time_ns(), self.number)

        def close(self):
            pass

    sensor = ThreadedSensor("joints", Vector(2), WallClock)
    sensor.start(SystemClock())
    try:
        end = time.monotonic() + HANG_S
        while sensor.inbox.accepted < 5 and time.monotonic() < end:
            time.sleep(0.01)
    finally:
        sensor.stop()
    told = [event.detail for event in sensor.take_events() if event.kind == "warning"]
    assert len(told) == 1 and "wall clock" in told[0] and sensor.inbox.retimed >= 5
