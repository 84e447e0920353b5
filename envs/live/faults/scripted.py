"""Scripted sensors: a device that senses known content at a known rate and fails when its `Script` says so.

`ScriptedSensor` plays a script on any clock without a thread: on a `VirtualClock` an hour of faults takes a second and
is the same every time. It goes through the same `Inbox` and `RetryTimer` as a real sensor. For the real threads there
is `Script.source`, which is made for `ThreadedSensor`.
"""

import functools
import math
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....perception.errors import ConfigError, SenseweaveError
from ....perception.spec import Kind
from ..backoff import Backoff, RetryTimer
from ..clock import NS_PER_S, Clock, to_ns
from ..inbox import Inbox
from ..reading import Event, Reading, without_limit
from ..sensor import Sensor
from ..source import Source, SourceEndedError, SourceError
from .faults import Fault, Take

NEVER_NS = 2**63 - 1
"""A time after every other."""

MAX_READ_S = 0.1
"""How long a scripted `read` waits for something to come, unless a fault makes it hang."""


def content_of(kind: Kind, number: int) -> NDArray[Any]:
    """Content that fits a kind and differs from number to number; the same wherever it is made."""
    low, high = _limits(kind)
    uniform = np.random.default_rng(number).random(low.shape)
    if np.dtype(kind.dtype).kind == "f":
        return (np.round((low + uniform * (high - low)) * 2**15) / 2**15).astype(kind.dtype)
    return np.floor(low + uniform * (high - low + 1.0)).astype(kind.dtype)


@functools.lru_cache(maxsize=256)
def _limits(kind: Kind) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    box = kind.space()
    return np.maximum(box.low, -1.0).astype(np.float64), np.minimum(box.high, 2.0**15).astype(np.float64)


class Script:
    """A device's life: what it senses, how often, and what goes wrong when.

    Args:
        kind: what it senses.
        rate_hz: readings per second, the first one a period after it was opened.
        faults: what goes wrong; times are seconds since the first attempt to open it.
        content: number -> content; random but repeatable where nothing is said.
        text: number -> the raw text, for instructions; "text <number>" where nothing is said.

    Raises:
        ConfigError: the rate is not positive.
    """

    def __init__(
        self,
        kind: Kind,
        rate_hz: float,
        faults: Sequence[Fault] = (),
        *,
        content: Callable[[int], NDArray[Any]] | None = None,
        text: Callable[[int], str] | None = None,
    ) -> None:
        if not 0 < rate_hz < math.inf:
            raise ConfigError(f"`rate_hz` of a Script must be above 0 and finite; got {rate_hz!r}.")
        self.kind = kind
        self.rate_hz = rate_hz
        self.faults = tuple(faults)
        self.content = content or (lambda number: content_of(kind, number))
        self.text = text or (lambda number: f"text {number}" if without_limit(kind) else "")
        self.released = threading.Event()
        self.origin_ns: int | None = None
        self._number = 0
        self._last: Take | None = None
        self._noted: set[int] = set()

    def source(self) -> "ScriptedSource":
        """A source for one attempt, for `ThreadedSensor`. Set `released` to let drivers that hang return."""
        return ScriptedSource(self)

    def on(self, time_s: float) -> Iterator[Fault]:
        """The faults that are on."""
        return (fault for fault in self.faults if fault.is_on(time_s))

    def seconds(self, now_ns: int) -> float:
        """A clock's time as the script's; the first call makes it 0."""
        if self.origin_ns is None:
            self.origin_ns = now_ns
        return (now_ns - self.origin_ns) / NS_PER_S

    def moment_ns(self, time_s: float) -> int:
        """The script's time as a clock's."""
        return (self.origin_ns or 0) + to_ns(time_s) if time_s != math.inf else NEVER_NS

    def opening_s(self, time_s: float) -> float:
        """How long it takes to open the device."""
        return max((fault.opening_s() for fault in self.on(time_s)), default=0.0)

    def next_s(self, time_s: float) -> float:
        """When the device senses next, if it has just sensed."""
        return time_s + 1.0 / (self.rate_hz * math.prod(fault.pace() for fault in self.on(time_s)))

    def take(self, time_s: float) -> Take:
        """What the device senses at a time. Each fault's notes come once.

        Raises:
            Exception: what the faults raise.
        """
        number, self._number = self._number, self._number + 1
        take = Take(time_s, self.content(number), number, captured_s=time_s, arrives_s=time_s)
        for i, fault in enumerate(self.faults):
            if fault.is_on(time_s):
                noted = len(take.notes)
                fault.change(take, self._last)
                if i in self._noted:
                    del take.notes[noted:]
                elif take.notes[noted:]:
                    self._noted.add(i)
        if not take.is_lost:
            self._last = take
        return take

    def reading(self, take: Take) -> Reading | None:
        """What `read` returns for a take."""
        if take.is_lost:
            return None
        return Reading(take.content, self.moment_ns(take.captured_s), take.number, self.text(take.number))


class ScriptedSource(Source):
    """One attempt to open and read a scripted device, in real time; `Script.source` makes it."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._pending: Take | None = None
        self._time_s = 0.0
        self._notes: list[tuple[str, str]] = []

    def open(self) -> None:
        time_s = self.script.seconds(self.clock.now_ns())
        for fault in self.script.on(time_s):
            fault.refuse()
        self.clock.wait(self.script.released, self.script.opening_s(time_s))
        self._time_s = self.script.next_s(self.script.seconds(self.clock.now_ns()))

    def read(self) -> Reading | None:
        now_s = self.script.seconds(self.clock.now_ns())
        if self._pending is None:
            if not self._wait_until(self._time_s, now_s):
                return None
            self._pending = self.script.take(self._time_s)
            self._time_s = self.script.next_s(self._time_s)
        if self._pending.is_blocking:
            self.clock.wait(self.script.released, self._pending.arrives_s - now_s)
        elif not self._wait_until(self._pending.arrives_s, self.script.seconds(self.clock.now_ns())):
            return None
        take, self._pending = self._pending, None
        self._notes += take.notes
        return self.script.reading(take)

    def close(self) -> None:
        pass

    def take_notes(self) -> list[tuple[str, str]]:
        taken, self._notes = self._notes, []
        return taken

    def _wait_until(self, time_s: float, now_s: float) -> bool:
        """Waits for a moment of the script, but not long; whether it has come."""
        until_s = min(time_s, now_s + MAX_READ_S)
        self.clock.sleep_until_ns(self.script.moment_ns(until_s))
        return until_s == time_s


class ScriptedSensor(Sensor):
    """Plays a script by the time that it is asked for; no thread, no waiting.

    Args:
        name: see `Sensor`.
        script: the device's life.
        max_age_s: see `Sensor`.
        backoff: see `ThreadedSensor`.
        unchanged_s: see `ThreadedSensor`.
        patience: what release 0.1 called `backoff`.

    Attributes:
        inbox: the newest reading, and counts of what was accepted and dropped.
    """

    def __init__(
        self,
        name: str,
        script: Script,
        *,
        max_age_s: float | None = None,
        backoff: Backoff | None = None,
        unchanged_s: float | None = None,
        patience: Backoff | None = None,
    ) -> None:
        super().__init__(name, script.kind, max_age_s)
        self.script = script
        self.inbox = Inbox(name, script.kind, unchanged_s)
        self._backoff = backoff or patience or Backoff()
        self._retry = RetryTimer(self._backoff)
        self._is_news = True
        self._play: Iterator[int] | None = None
        self._next_ns = 0

    def start(self, clock: Clock) -> None:
        if self._play is None:
            self._next_ns = clock.now_ns()
            self.script.seconds(self._next_ns)
            self._play = self._live()

    def newest(self, now_ns: int) -> Reading | None:
        while self._play is not None and self._next_ns <= now_ns:
            self._next_ns = next(self._play)
        return self.inbox.newest

    def take_events(self) -> list[Event]:
        return self.inbox.take_events()

    def stop(self) -> None:
        self._play = None

    def _live(self) -> Iterator[int]:
        """Attempt after attempt; yields when something happens next, and goes on at that time."""
        hung_until_ns: list[int] = []
        is_over = False
        while not is_over:
            hung_until_ns = [until_ns for until_ns in hung_until_ns if until_ns > self._next_ns]
            if len(hung_until_ns) < self._backoff.max_hung:
                self._retry.begin(self._next_ns)
                try:
                    blocked_until_ns = yield from self._attempt()
                    if blocked_until_ns > self._next_ns:
                        hung_until_ns.append(blocked_until_ns)
                        if self._is_news:
                            self._add_event("hung", "Its driver, by the script, does not return.")
                except SourceError as error:
                    is_over = isinstance(error, SourceEndedError)
                    self.inbox.add_failure(self._next_ns, "ended" if is_over else "failed", str(error))
                except SenseweaveError as error:
                    is_over = True
                    self.inbox.add_failure(self._next_ns, "failed", str(error), ends=True)
                except Exception as error:  # as in `ThreadedSensor`: a driver may raise anything
                    self.inbox.add_failure(self._next_ns, "failed", f"{type(error).__name__}: {error}")
            yield self._next_ns + self._retry.end()
        while True:
            yield NEVER_NS

    def _attempt(self) -> Generator[int, None, int]:
        """One attempt, until it misses a deadline.

        Returns:
            Until when its driver's call lasts; not after the present time, unless the driver hangs.
        """
        script = self.script
        time_s = script.seconds(self._next_ns)
        for fault in script.on(time_s):
            fault.refuse()
        time_s += script.opening_s(time_s)
        if not (yield from self._reach(time_s)):
            return (yield from self._bear(time_s))
        while True:
            time_s = script.next_s(time_s)
            if not (yield from self._reach(time_s)):
                return 0
            take = script.take(time_s)
            if not (yield from self._reach(take.arrives_s)):
                return (yield from self._bear(take.arrives_s)) if take.is_blocking else 0
            for kind, detail in take.notes:
                self._add_event(kind, detail)
            reading = script.reading(take)
            if reading is not None and self.inbox.offer(reading, self._next_ns):
                if not self._retry.has_started:
                    self.inbox.add_opened(self._next_ns, self._retry.attempts)
                self._retry.feed(self._next_ns)

    def _reach(self, time_s: float) -> Generator[int, None, bool]:
        """Goes on to a moment of the script; False at the deadline, if that is missed before."""
        target_ns = max(self._next_ns, self.script.moment_ns(time_s))
        is_in_time = target_ns <= self._retry.deadline_ns
        yield target_ns if is_in_time else max(self._next_ns, self._retry.deadline_ns)
        if not is_in_time:
            self._is_news = self.inbox.add_failure(self._next_ns, "stalled", self._retry.missed())
        return is_in_time

    def _bear(self, time_s: float) -> Generator[int, None, int]:
        """Waits for a call of the driver that lasts until `time_s`, no longer than the grace; returns when it ends."""
        until_ns = self.script.moment_ns(time_s)
        yield min(until_ns, self._next_ns + to_ns(self._backoff.grace_s))
        return until_ns

    def _add_event(self, kind: str, detail: str) -> None:
        self.inbox.add_event(self._next_ns, kind, detail)
