"""Sensors kept alive: real threads around small scripted sources, and the arithmetic of deadlines without any."""

import dataclasses
import gc
import math
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from senseweave.envs.live.clock import SystemClock, to_ns
from senseweave.envs.live.faults import Hangs, Raises, Stall, Unplugged
from senseweave.envs.live.inbox import MOST_EVENTS, Inbox
from senseweave.envs.live.patience import Patience, Watchdog
from senseweave.envs.live.reading import EVENT_KINDS, Event, Reading, misfit
from senseweave.envs.live.scripted import Script
from senseweave.envs.live.sensor import Sensor, ThreadedSensor
from senseweave.envs.live.source import Source, SourceEndedError, SourceError
from senseweave.perception.errors import ConfigError, MissingExtraError
from senseweave.perception.spec import Camera, Grid, Instruction, Microphone, Vector

KIND = Vector(2)
STEADY = Patience(start_up_s=20, stall_s=20, grace_s=2, first_delay_s=0.005, most_delay_s=0.01)
"""For tests in which nothing misses a deadline, on however busy a machine."""
QUICK = Patience(start_up_s=0.2, stall_s=0.15, grace_s=0.05, first_delay_s=0.02, most_delay_s=0.04)
LONG_S = 10.0
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


@pytest.fixture
def watch() -> Iterator[Callable[..., Watched]]:
    """Starts sensors, and stops them and lets their drivers go at the end."""
    started: list[Watched] = []

    def start(do: Callable[[DeviceSource, int], Reading | None], patience: Patience = STEADY, **options) -> Watched:
        device = Device(do)
        device.fail_open = options.pop("fail_open", device.fail_open)
        sensor = ThreadedSensor("touch", KIND, device.source, patience=patience, **options)
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
    assert watched.kinds() == ["failed"] * 3 + ["opened"]
    assert watched.events[-1].detail == "Attempt 4."
    assert [len(source.closed_by) for source in watched.device.sources[:3]] == [1, 1, 1]


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

    sensor = ThreadedSensor("touch", KIND, make_source, patience=QUICK)
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

    watched = watch(do, dataclasses.replace(QUICK, start_up_s=0.02, stall_s=20, grace_s=0.02, most_hung=2))
    watched.until_told("hung", 2)
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
    hanging = watch(lambda source, read: source.device.let_go.wait(LONG_S) and None, Patience(grace_s=0.03))
    waiting = watch(
        lambda source, read: None,
        Patience(first_delay_s=60, most_delay_s=60),
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


def test_a_hundred_restarts_leave_no_thread_behind(watch) -> None:
    before = threading.active_count()

    def do(source: DeviceSource, read: int) -> Reading:
        if source.attempt <= 100:
            raise SourceError("again")
        return source.reading()

    watched = watch(do, dataclasses.replace(STEADY, first_delay_s=1e-4, most_delay_s=1e-4))
    watched.until(lambda: watched.attempt() == 101)
    gc.collect()
    assert threading.active_count() <= before + 2
    watched.sensor.stop()
    assert threading.active_count() <= before


def test_the_scripts_of_faults_run_in_real_threads_too() -> None:
    faults = (Stall(0.1, 0.3), Raises(0.5, 0.05), Hangs(0.7, 0.5), Unplugged(1.4, 0.1))
    script = Script(KIND, 200, faults)
    sensor = ThreadedSensor("touch", KIND, script.source, patience=QUICK)
    watched = Watched(sensor, Device(lambda source, read: None))
    sensor.start(SystemClock())
    try:
        watched.until(lambda: script.origin_ns is not None)
        end_ns = script.moment_ns(1.7)
        watched.until(lambda: (newest := sensor.newest(0)) is not None and newest.captured_ns > end_ns)
        kinds = watched.kinds()
        assert kinds.count("stalled") >= 2
        assert kinds.count("failed") >= 2
        assert "hung" in kinds
        assert kinds[0] == kinds[-1] == "opened"
    finally:
        script.released.set()
        sensor.stop()


def test_a_sensor_may_be_stopped_before_it_was_started() -> None:
    ThreadedSensor("touch", KIND, lambda: DeviceSource(Device(lambda source, read: None), 1)).stop()


# Deadlines and delays, by arithmetic alone.


def test_delays_double_up_to_the_limit_and_no_further() -> None:
    watchdog = Watchdog(Patience(first_delay_s=0.5, most_delay_s=5))
    delays_s = []
    for now_s in range(8):
        watchdog.begin(to_ns(now_s))
        delays_s.append(watchdog.end() / 1e9)
    assert delays_s == [0.5, 1, 2, 4, 5, 5, 5, 5]
    assert watchdog.attempts == 8


def test_delays_start_anew_after_an_attempt_that_lived_and_not_after_one_that_twitched() -> None:
    watchdog = Watchdog(Patience(first_delay_s=0.5, most_delay_s=8))

    def live(lived_s: float) -> float:
        watchdog.begin(0)
        watchdog.feed(to_ns(lived_s))
        return watchdog.end() / 1e9

    assert [live(0.1), live(0.9), live(1.9), live(3.9), live(10.0), live(0.4)] == [0.5, 1, 2, 4, 0.5, 1]


def test_a_thousand_failures_do_not_overflow_the_delay() -> None:
    watchdog = Watchdog(Patience())
    assert [watchdog.end() for _ in range(1000)][-1] == to_ns(5.0)


def test_the_deadline_moves_with_every_reading_and_is_the_start_up_one_before_the_first() -> None:
    watchdog = Watchdog(Patience(start_up_s=15, stall_s=2))
    watchdog.begin(to_ns(100))
    assert not watchdog.has_started
    assert watchdog.deadline_ns == to_ns(115)
    watchdog.feed(to_ns(110))
    assert watchdog.has_started
    assert watchdog.deadline_ns == to_ns(112)
    watchdog.begin(to_ns(200))
    assert watchdog.deadline_ns == to_ns(215)


def test_a_sense_that_speaks_when_it_likes_never_stalls() -> None:
    watchdog = Watchdog(Patience(start_up_s=math.inf, stall_s=math.inf))
    watchdog.begin(to_ns(1))
    watchdog.feed(to_ns(2))
    assert watchdog.deadline_ns > to_ns(1e9)


@pytest.mark.parametrize(
    "fields",
    [{"stall_s": 0}, {"start_up_s": -1}, {"grace_s": math.nan}, {"most_hung": 0}, {"most_delay_s": math.inf}]
    + [{"first_delay_s": 2, "most_delay_s": 1}],
)
def test_impossible_patience_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(fields)) + "|most_delay_s"):
        Patience(**fields)


# The inbox.


def offer(inbox: Inbox, captured_s: float, value: float = 0.0, now_s: float | None = None) -> bool:
    content = np.full(2, value, np.float32)
    return inbox.offer(Reading(content, to_ns(captured_s), 0), to_ns(captured_s if now_s is None else now_s))


def test_a_capture_time_in_the_future_becomes_the_arrival_and_does_not_lock_others_out() -> None:
    inbox = Inbox("touch", KIND)
    assert offer(inbox, 100.0, now_s=1.0)
    assert inbox.newest.captured_ns == to_ns(1.0)
    assert inbox.retimed == 1
    assert offer(inbox, 1.1)


def test_drops_are_told_again_only_after_a_quiet_while() -> None:
    inbox = Inbox("touch", KIND)
    for tenth in range(200):
        offer(inbox, tenth / 10 if tenth not in (10, 11, 12, 30, 150) else 0.0, now_s=tenth / 10)
    assert [event.time_ns for event in inbox.take_events()] == [to_ns(1.0), to_ns(15.0)]
    assert inbox.take_events() == []
    assert inbox.dropped == 5


def test_content_that_stays_the_same_counts_as_frozen_only_where_that_is_asked_for() -> None:
    strict, lenient = Inbox("touch", KIND, unchanged_s=0.25), Inbox("touch", KIND)
    taken = [(offer(strict, tenth / 10, 7.0), offer(lenient, tenth / 10, 7.0)) for tenth in range(1, 7)]
    assert taken == [(True, True)] * 3 + [(False, True)] * 3
    assert strict.newest is None
    assert lenient.newest is not None
    assert offer(strict, 0.7, 8.0)
    assert strict.newest.captured_ns == to_ns(0.7)


def test_events_that_nobody_takes_do_not_pile_up() -> None:
    inbox = Inbox("touch", KIND)
    for i in range(3 * MOST_EVENTS):
        inbox.tell(i, "overflow")
    taken = inbox.take_events()
    assert len(taken) == MOST_EVENTS
    assert taken[-1].time_ns == 3 * MOST_EVENTS - 1


@pytest.mark.parametrize(
    ("kind", "content", "why"),
    [
        (Camera(16, 16), np.zeros((16, 16, 3), np.uint8), None),
        (Camera(16, 16), np.zeros((16, 17, 3), np.uint8), "shape"),
        (Camera(16, 16), np.zeros((16, 16, 3), np.float32), "float32"),
        (Camera(16, 16), [[0]], "list"),
        (Microphone(1, 4, 8000), np.full((1, 4), -1, np.float32), None),
        (Microphone(1, 4, 8000), np.full((1, 4), 1.01, np.float32), "limits"),
        (Microphone(1, 4, 8000), np.full((1, 4), np.nan, np.float32), "not finite"),
        (Microphone(1, 4, 8000), np.zeros((1, 4), np.float64), "float64"),
        (Instruction(4, 10), np.full(4, 9, np.int32), None),
        (Instruction(4, 10), np.full(4, 10, np.int32), "limits"),
        (Instruction(4, 10), np.full(4, -1, np.int32), "limits"),
        (Vector(2), np.array([1e30, -1e30], np.float32), None),
        (Vector(2), np.array([np.inf, 0], np.float32), "not finite"),
        (Grid(1, 1, (3, 2)), np.array([[[2, 1]]], np.uint8), None),
        (Grid(1, 1, (3, 2)), np.array([[[2, 2]]], np.uint8), "limits"),
    ],
)
def test_what_does_not_fit_its_kind_is_said_in_words(kind, content, why: str | None) -> None:
    told = misfit(kind, content)
    assert told is None if why is None else why in told


def test_events_are_of_known_kinds() -> None:
    assert Event(0, "", EVENT_KINDS[0]).kind == EVENT_KINDS[0]
    with pytest.raises(ConfigError, match='did you mean "absent"'):
        Event(0, "", "abscent")


def test_an_instruction_holds_for_ever_and_other_senses_do_not() -> None:
    assert Sensor("told", Instruction(4, 10)).max_age_s == math.inf
    assert Sensor("seen", Camera(16, 16)).max_age_s == 0.5
    for age_s in (0.0, -1.0, math.nan):
        with pytest.raises(ConfigError, match="above 0"):
            Sensor("seen", Camera(16, 16), age_s)
