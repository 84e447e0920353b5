"""Sensors kept alive: real threads around small scripted sources; the arithmetic is in test_backoff.py."""

import dataclasses
import gc
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from kit.limits import HANG_S
from kit.live.watched_sensor import LONG_S, Device, DeviceSource, Watched
from senseweave.envs.live.backoff import Backoff
from senseweave.envs.live.clock import SystemClock, to_ns
from senseweave.envs.live.reading import Reading
from senseweave.envs.live.sensor import ThreadedSensor, stop_together
from senseweave.envs.live.source import Source, SourceEndedError, SourceError
from senseweave.perception.errors import MissingExtraError
from senseweave.perception.spec import Vector

KIND = Vector(2)
STEADY = Backoff(start_up_s=20, stall_s=20, grace_s=2, first_delay_s=0.005, max_delay_s=0.01)
"""For tests in which nothing misses a deadline, on however busy a machine."""
QUICK = Backoff(start_up_s=0.2, stall_s=0.15, grace_s=0.05, first_delay_s=0.02, max_delay_s=0.04)


@pytest.fixture
def watch() -> Iterator[Callable[..., Watched]]:
    """Starts sensors, and stops them and lets their drivers go at the end."""
    started: list[Watched] = []

    def start(do: Callable[[DeviceSource, int], Reading | None], backoff: Backoff = STEADY, **options) -> Watched:
        device = Device(do)
        device.fail_open = options.pop("fail_open", device.fail_open)
        sensor = ThreadedSensor("touch", KIND, device.source, backoff=backoff, **options)
        watched = Watched(sensor, device)
        started.append(watched)
        sensor.start(SystemClock())
        return watched

    yield start
    for watched in started:
        watched.device.let_go.set()
        watched.sensor.stop()


def test_readings_arrive_in_order_and_the_newest_is_looked_at_without_waiting(watch) -> None:
    watched = watch(lambda source, read: source.reading(read))
    watched.until_told("opened")
    seen = []
    for _ in range(20):
        seen.append(watched.sensor.newest(0).captured_ns)
        time.sleep(0.002)
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    assert watched.kinds() == ["opened"]
    assert watched.sensor.failure == ""


def test_a_device_that_raises_is_closed_and_opened_again_by_itself(watch) -> None:
    def do(source: DeviceSource, read: int) -> Reading:
        if source.attempt <= 2 and read > 3:
            raise SourceError("The plug fell out.") if source.attempt == 1 else RuntimeError("of a driver")
        return source.reading()

    watched = watch(do)
    watched.until(lambda: watched.attempt() == 3)
    assert watched.kinds() == ["opened", "failed", "opened", "failed", "opened"]
    assert [event.detail for event in watched.events if event.kind == "failed"] == [
        "The plug fell out.",
        "RuntimeError: of a driver",
    ]
    watched.until(lambda: all(source.closed_by for source in watched.device.sources[:2]))


def test_one_thread_opens_reads_and_closes_a_source_and_closes_it_once(watch) -> None:
    def do(source: DeviceSource, read: int) -> Reading:
        if source.attempt < 4 and read > 1:
            raise SourceError("again")
        return source.reading()

    watched = watch(do)
    watched.until(lambda: watched.attempt() == 4)
    watched.sensor.stop()
    for source in watched.device.sources:
        assert source.closed_by == [source.opened_by]


def test_a_device_that_cannot_be_opened_is_tried_again_and_closed_each_time(watch) -> None:
    def fail_open(attempt: int) -> None:
        if attempt < 4:
            raise SourceError("There is no device.")

    watched = watch(lambda source, read: source.reading(), fail_open=fail_open)
    watched.until_told("opened")
    assert watched.kinds() == ["failed", "opened"], "the same failure is told once"
    assert watched.events[-1].detail == "Attempt 4." and watched.sensor.retries == 0
    assert [len(source.closed_by) for source in watched.device.sources[:3]] == [1, 1, 1]


def test_a_device_that_never_opens_is_told_once_for_each_reason_and_its_attempts_are_counted(watch) -> None:
    def fail_open(attempt: int) -> None:
        raise SourceError("There is no device." if attempt < 5 else "It is busy.")

    watched = watch(lambda source, read: source.reading(), fail_open=fail_open)
    give_up_s = time.monotonic() + HANG_S
    while watched.sensor.retries < 8:
        assert time.monotonic() < give_up_s
        time.sleep(0.005)
    watched.until_told("failed")
    assert [event.detail for event in watched.events] == ["There is no device.", "It is busy."]
    assert watched.sensor.failure == "It is busy."


def test_start_up_and_stall_have_deadlines_of_their_own(watch) -> None:
    def do(source: DeviceSource, read: int) -> Reading | None:
        time.sleep(0.002)
        if source.attempt == 1 or (source.attempt == 2 and read > 2):
            return None
        return source.reading()

    watched = watch(do, dataclasses.replace(QUICK, start_up_s=0.25, stall_s=0.15))
    watched.until(lambda: watched.attempt() == 3)
    assert watched.kinds() == ["stalled", "opened", "stalled", "opened"]
    assert "0.25 s of being opened" in watched.events[0].detail
    assert "nothing for 0.15 s" in watched.events[2].detail


@pytest.mark.parametrize("where", ["open", "read", "close"])
def test_a_driver_that_does_not_return_is_abandoned_and_its_late_readings_are_nobodys(watch, where: str) -> None:
    def hang(source: DeviceSource) -> None:
        source.device.let_go.wait(LONG_S)

    def do(source: DeviceSource, read: int) -> Reading | None:
        if source.attempt == 1 and read > 2:
            if where == "close":
                raise SourceError("Out.")
            if where == "read":
                hang(source)
                return dataclasses.replace(source.reading(), captured_ns=source.clock.now_ns() + to_ns(1))
        return source.reading()

    class HangingSource(DeviceSource):
        def open(self) -> None:
            if where == "open" and self.attempt == 1:
                hang(self)

        def close(self) -> None:
            if where == "close" and self.attempt == 1:
                hang(self)
            super().close()

    device = Device(do)

    def make_source() -> HangingSource:
        device.sources.append(HangingSource(device, len(device.sources) + 1))
        return device.sources[-1]

    sensor = ThreadedSensor("touch", KIND, make_source, backoff=QUICK)
    watched = Watched(sensor, device)
    sensor.start(SystemClock())
    try:
        watched.until(lambda: watched.attempt() == 2)
        first = {
            "open": ["stalled", "hung"],
            "read": ["opened", "stalled", "hung"],
            "close": ["opened", "failed", "hung"],
        }
        assert watched.kinds() == [*first[where], "opened"]
        device.let_go.set()
        watched.until(lambda: bool(device.sources[0].closed_by))  # the abandoned thread cleans up after itself
        time.sleep(0.02)
        assert watched.attempt() == 2
        assert watched.sensor.inbox.dropped == 0
    finally:
        device.let_go.set()
        sensor.stop()


def test_no_more_than_some_drivers_hang_at_a_time(watch) -> None:
    def do(source: DeviceSource, read: int) -> Reading | None:
        source.device.let_go.wait(LONG_S)
        return source.reading()

    watched = watch(do, dataclasses.replace(QUICK, start_up_s=0.02, stall_s=20, grace_s=0.02, max_hung=2))
    watched.until(lambda: watched.sensor.retries == 2)
    time.sleep(0.15)
    assert len(watched.device.sources) == 2
    watched.device.let_go.set()
    watched.until_told("opened")
    assert len(watched.device.sources) == 3


def test_what_has_ended_is_not_opened_again_and_keeps_its_last_reading(watch) -> None:
    def do(source: DeviceSource, read: int) -> Reading:
        if read > 3:
            raise SourceEndedError("The file is over.")
        return source.reading(read)

    watched = watch(do)
    watched.until_told("ended")
    time.sleep(0.06)
    assert watched.kinds() == ["opened", "ended"]
    assert len(watched.device.sources) == 1
    assert watched.sensor.newest(0).content[1] == 3
    assert watched.sensor.failure == "The file is over."


def test_what_no_new_attempt_can_mend_is_told_and_left(watch) -> None:
    def fail_open(attempt: int) -> None:
        raise MissingExtraError("Install something.")

    watched = watch(lambda source, read: None, fail_open=fail_open)
    watched.until_told("ended")
    time.sleep(0.06)
    assert [(event.kind, event.detail) for event in watched.events][0] == ("failed", "Install something.")
    assert watched.sensor.failure == "Install something.", "that is what people can mend"
    assert len(watched.device.sources) == 1


def test_readings_out_of_order_or_of_another_shape_are_dropped_counted_and_told_once(watch) -> None:
    def do(source: DeviceSource, read: int) -> Reading:
        reading = source.reading()
        if read % 3 == 1:
            return dataclasses.replace(reading, captured_ns=reading.captured_ns - to_ns(1))
        return dataclasses.replace(reading, content=np.zeros(3, np.float32)) if read % 3 == 2 else reading

    watched = watch(do)
    watched.until(lambda: watched.sensor.inbox.dropped >= 10)
    watched.until(lambda: watched.sensor.inbox.accepted >= 5)
    assert watched.kinds().count("dropped") == 1


def test_readings_that_are_all_dropped_are_no_sign_of_life(watch) -> None:
    def do(source: DeviceSource, read: int) -> Reading:
        reading = source.reading()
        return reading if source.attempt > 1 else dataclasses.replace(reading, content=np.zeros(3, np.float32))

    watched = watch(do, QUICK)
    watched.until(lambda: watched.attempt() == 2)
    assert watched.kinds() == ["dropped", "stalled", "opened"]


def test_what_a_source_notes_becomes_events_and_a_warning_is_told_once(watch) -> None:
    def do(source: DeviceSource, read: int) -> Reading:
        source.notes = [("warning", "One channel is doubled."), ("overflow", "480 samples")] if read == 2 else []
        if source.attempt == 1 and read > 3:
            raise SourceError("again")
        return source.reading()

    watched = watch(do)
    watched.until(lambda: watched.attempt() == 2)
    watched.until_told("overflow", 2)
    assert watched.kinds() == ["opened", "warning", "overflow", "failed", "opened", "overflow"]


def test_stopping_ends_all_threads_soon_even_if_a_driver_hangs(watch) -> None:
    before = set(threading.enumerate())
    fine = watch(lambda source, read: source.reading())
    hanging = watch(lambda source, read: source.device.let_go.wait(LONG_S) and None, Backoff(grace_s=0.03))
    waiting = watch(
        lambda source, read: None,
        Backoff(first_delay_s=60, max_delay_s=60),
        fail_open=lambda attempt: (_ for _ in ()).throw(SourceError("no")),
    )
    fine.until_told("opened")
    waiting.until_told("failed")
    began_s = time.monotonic()
    for watched in (fine, hanging, waiting):
        watched.sensor.stop()
        watched.sensor.stop()
    assert time.monotonic() - began_s < LONG_S / 2
    assert fine.device.sources[0].closed_by
    assert "hung" not in hanging.kinds()
    hanging.device.let_go.set()
    fine.until(lambda: set(threading.enumerate()) <= before)


def test_sensors_are_stopped_together_and_none_keeps_the_others_from_it(watch) -> None:
    class Slow(ThreadedSensor):
        def stop(self) -> None:
            all_there.wait(LONG_S)  # passes only when all three wait here at the same time
            super().stop()
            stopped.append(self.name)
            raise OSError("It cannot be stopped.")

    all_there, stopped = threading.Barrier(3), []
    stop_together([Slow(name, KIND, Source) for name in "abc"])
    assert sorted(stopped) == ["a", "b", "c"]


def test_a_driver_that_hangs_is_waited_for_once_however_often_its_sensor_is_stopped(watch) -> None:
    hanging = watch(lambda source, read: source.device.let_go.wait(LONG_S) and None, Backoff(grace_s=0.4))
    hanging.until(lambda: bool(hanging.device.sources and hanging.device.sources[0].reads))
    hanging.sensor.stop()
    began_s = time.monotonic()
    for _ in range(10):
        hanging.sensor.stop()
    assert time.monotonic() - began_s < 10 * 0.4 / 2


def test_a_hundred_restarts_leave_no_thread_behind(watch) -> None:
    before = threading.active_count()

    def do(source: DeviceSource, read: int) -> Reading:
        if source.attempt <= 100:
            raise SourceError("again")
        return source.reading()

    watched = watch(do, dataclasses.replace(STEADY, first_delay_s=1e-4, max_delay_s=1e-4))
    watched.until(lambda: watched.attempt() == 101)
    gc.collect()
    assert threading.active_count() <= before + 2
    watched.sensor.stop()
    assert threading.active_count() <= before


def test_a_sensor_may_be_stopped_before_it_was_started() -> None:
    ThreadedSensor("touch", KIND, lambda: DeviceSource(Device(lambda source, read: None), 1)).stop()
