"""`Sensor`: what the rig asks for the newest reading. `ThreadedSensor` runs a device's `Source` and keeps it alive.

The loop never waits for a sensor: `newest` and `take_events` return at once, whatever the device does. Whether a
reading is too old to be used is not decided here but in `align.py`.

One thread supervises; each attempt to open and read the device runs in a thread of its own, which alone touches the
source. A driver that does not come back is abandoned with its thread (both are daemons) and a new source is made.
"""

import atexit
import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Self

from ...perception.errors import ConfigError, SenseweaveError
from ...perception.spec import Kind
from .backoff import Backoff, RetryTimer
from .clock import NS_PER_S, Clock
from .inbox import Inbox
from .reading import Event, Reading, without_limit
from .source import Source, SourceEndedError, SourceError

DEFAULT_MAX_AGE_S = 0.5
"""How old a reading may be before its sense counts as absent, where nobody says otherwise."""

KILLED_S = 0.3
"""How long a source whose process was killed may take to notice."""

AHEAD_NS = 1_000_000
"""A capture time that is further in the future is of another clock."""

AHEAD = (
    "Its capture times lie in the future and were replaced by the times of arrival; take them from the source's "
    "`clock`, not from the wall clock."
)

LEAVE_S = 2.5
"""How long the end of the process waits for drivers that have not come back; OpenCV's take 2 s in a silent network. A
thread that comes back into Python out of a C++ library while Python ends aborts the process."""


class Sensor:
    """One sense of a rig. Subclass it for what needs no thread: replays, scripts, the senses of a simulator.

    Args:
        name: the sense's name in the Spec.
        kind: what its readings are.
        max_age_s: how old a reading may be and still be used, in seconds; infinite if it holds until the next one.
            None: infinite for an instruction, `DEFAULT_MAX_AGE_S` for everything else.

    Raises:
        ConfigError: `max_age_s` is not positive.
    """

    def __init__(self, name: str, kind: Kind, max_age_s: float | None = None) -> None:
        if max_age_s is None:
            max_age_s = math.inf if without_limit(kind) else DEFAULT_MAX_AGE_S
        if not max_age_s > 0:
            raise ConfigError(f'`max_age_s` of "{name}" must be above 0 seconds; got {max_age_s!r}.')
        self.name = name
        self.kind = kind
        self.max_age_s = float(max_age_s)

    @property
    def retries(self) -> int:
        """How often in a row its device was tried in vain; 0 while it works, and where there is none."""
        return 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: a device cannot be doubled. Gymnasium copies what `make` was called with."""
        return self

    def start(self, clock: Clock) -> None:
        """Begins to sense; returns at once. Times of readings and events are the clock's. Once in a sensor's life."""
        raise NotImplementedError

    def newest(self, now_ns: int) -> Reading | None:
        """The newest reading, at once; None before the first. Its capture times never go back.

        Args:
            now_ns: the present time; a sensor that is not driven by a device works out from it what there is to see.
        """
        raise NotImplementedError

    def take_events(self) -> list[Event]:
        """What happened to the sensor since the last call, each event once."""
        return []

    def stop(self) -> None:
        """Ends sensing and gives the device back, within a bounded time. May be called twice, or without `start`."""


def stop_together(sensors: Iterable[Sensor]) -> None:
    """Stops all sensors at the same time: it takes as long as the slowest. What one of them raises stops no other."""

    def stop(sensor: Sensor) -> None:
        with contextlib.suppress(Exception):  # a sensor of anybody's making must not keep the others' devices
            sensor.stop()

    threads = [threading.Thread(target=stop, args=(sensor,), name=f"{sensor.name}-stop") for sensor in sensors]
    for thread in threads:
        thread.daemon = True
        thread.start()
    for thread in threads:
        thread.join()


class ThreadedSensor(Sensor):
    """A sensor that reads its device in threads of its own and opens it again, for ever, when it fails.

    An attempt fails when the source raises, misses its start-up deadline or stalls. The next one follows after a delay
    that doubles up to a limit. After `SourceEndedError`, or an error that no new attempt can fix, there is none. A
    failure in the same words as the one before it is no event, but counts in `retries`.

    Args:
        name: see `Sensor`.
        kind: see `Sensor`.
        make_source: makes the source of one attempt; only remembers arguments, so that it cannot block.
        max_age_s: see `Sensor`.
        backoff: the deadlines and delays.
        unchanged_s: after how many seconds of content that is equal bit for bit the device counts as frozen or muted,
            see `Inbox`; None for sources whose content may stand still.
        patience: what release 0.1 called `backoff`.

    Attributes:
        inbox: the newest reading, and counts of what was accepted and dropped.
        has_ended: there is nothing more to come of it, ever.
    """

    def __init__(
        self,
        name: str,
        kind: Kind,
        make_source: Callable[[], Source],
        *,
        max_age_s: float | None = None,
        backoff: Backoff | None = None,
        unchanged_s: float | None = None,
        patience: Backoff | None = None,
    ) -> None:
        super().__init__(name, kind, max_age_s)
        self.inbox = Inbox(name, kind, unchanged_s)
        self.has_ended = False
        self._make_source = make_source
        self._backoff = backoff or patience or Backoff()
        self._retry = RetryTimer(self._backoff)
        self._supervisor: threading.Thread | None = None
        self._current: _Attempt | None = None
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()

    @property
    def failure(self) -> str:
        """The sentence of the last failure, "" while it works; what it says can be fixed."""
        return self.inbox.failure

    @property
    def retries(self) -> int:
        return self.inbox.retries

    @classmethod
    def of(cls, name: str, kind: Kind, make_source: Callable[[], Source], *, max_age_s: float | None = None) -> Self:
        """A sensor with the deadlines of its source, which is made once now, so that a slip in its arguments raises."""
        source = make_source()
        return cls(name, kind, make_source, max_age_s=max_age_s, backoff=source.backoff, unchanged_s=source.unchanged_s)

    def start(self, clock: Clock) -> None:
        if self._supervisor is not None:
            return
        self._clock = clock
        self._supervisor = threading.Thread(target=self._supervise, name=f"{self.name}-supervisor", daemon=True)
        self._supervisor.start()

    def newest(self, now_ns: int) -> Reading | None:
        return self.inbox.newest

    def take_events(self) -> list[Event]:
        return self.inbox.take_events()

    def stop(self) -> None:
        was_stopped = self._stopping.is_set()
        self._stopping.set()
        self._wake.set()
        if self._supervisor is not None and not was_stopped:
            self._supervisor.join(self._backoff.grace_s + 1.0)

    def _supervise(self) -> None:
        hung: list[threading.Thread] = []
        while not self._stopping.is_set():
            hung = [thread for thread in hung if thread.is_alive()]
            if len(hung) < self._backoff.max_hung:
                attempt = self._attempt()
                if attempt.thread.is_alive():
                    hung.append(attempt.thread)
                if attempt.is_last:
                    self.has_ended = True
                    break
            self._clock.wait(self._stopping, self._retry.end() / NS_PER_S)
        if any(thread.is_alive() for thread in hung):
            atexit.register(_wait_for, hung)

    def _attempt(self) -> "_Attempt":
        """One attempt, from opening to failure; on return its thread has ended or is abandoned."""
        attempt = _Attempt(self, self._make_source)
        with self._lock:
            self._current = attempt
            self._retry.begin(self._clock.now_ns())
        attempt.thread.start()
        is_news = True
        while not (attempt.has_ended or self._stopping.is_set()):
            self._wake.clear()
            left_s = (self._retry.deadline_ns - self._clock.now_ns()) / NS_PER_S
            if left_s <= 0:
                is_news = self._fail(attempt, "stalled", self._retry.missed())
                break
            if not attempt.has_ended and not self._stopping.is_set():
                self._clock.wait(self._wake, left_s)
        with self._lock:
            self._current = None
        attempt.thread.join(self._backoff.grace_s)
        if attempt.thread.is_alive() and attempt.kill():
            attempt.thread.join(KILLED_S)
        if is_news and attempt.thread.is_alive() and not self._stopping.is_set():
            detail = f"Its driver did not return for {self._backoff.grace_s:g} s more; its thread is abandoned."
            self._add_event("hung", detail)
        return attempt

    def _add_event(self, kind: str, detail: str) -> None:
        self.inbox.add_event(self._clock.now_ns(), kind, detail)

    def _fail(self, attempt: "_Attempt", kind: str, detail: str, *, ends: bool = False) -> bool:
        with self._lock:
            if attempt is not self._current or self._stopping.is_set():
                return False
            return self.inbox.add_failure(self._clock.now_ns(), kind, detail, ends=ends)

    def _accept(self, attempt: "_Attempt", reading: Reading | None, notes: list[tuple[str, str]]) -> None:
        """Takes what an attempt has read, unless the attempt was given up meanwhile."""
        now_ns = self._clock.now_ns()
        with self._lock:
            if attempt is not self._current:
                return
            for kind, detail in notes:
                self.inbox.add_event(now_ns, kind, detail)
            if reading is None:
                return
            if reading.captured_ns - now_ns > AHEAD_NS:
                self.inbox.add_event(now_ns, "warning", AHEAD)
            if not self.inbox.offer(reading, now_ns):
                return
            if not self._retry.has_started:
                self.inbox.add_opened(now_ns, self._retry.attempts)
            self._retry.feed(now_ns)


def _wait_for(threads: Iterable[threading.Thread]) -> None:
    """Waits until all threads have ended, but no longer than `LEAVE_S`."""
    give_up_s = time.monotonic() + LEAVE_S
    for thread in threads:
        thread.join(max(0.0, give_up_s - time.monotonic()))


class _Attempt:
    """The life of one source in one thread: opened, read until it fails or is given up, closed by the same thread.

    Args:
        sensor: whose attempt it is.
        make_source: makes the source.

    Attributes:
        has_ended: nothing more comes from it, although closing may take longer.
        is_last: trying again would be useless.
    """

    def __init__(self, sensor: ThreadedSensor, make_source: Callable[[], Source]) -> None:
        self.sensor = sensor
        self.make_source = make_source
        self.has_ended = False
        self.is_last = False
        self.source: Source | None = None
        self.thread = threading.Thread(target=self._run, name=f"{sensor.name}-source", daemon=True)

    def kill(self) -> bool:
        """Makes its source come back; whether that can be."""
        with contextlib.suppress(Exception):
            return self.source is not None and self.source.kill()
        return False

    @property
    def is_wanted(self) -> bool:
        return self is self.sensor._current and not self.sensor._stopping.is_set()

    def _run(self) -> None:
        source: Source | None = None
        try:
            source = self.source = self.make_source()
            source.clock = self.sensor._clock
            source.open()
            self.sensor._accept(self, None, source.take_notes())
            while self.is_wanted:
                reading = source.read()
                self.sensor._accept(self, reading, source.take_notes())
        except SourceEndedError as error:
            self.is_last = True
            self.sensor._fail(self, "ended", str(error))
        except SourceError as error:
            self.sensor._fail(self, "failed", str(error))
        except SenseweaveError as error:
            self.is_last = True
            self.sensor._fail(self, "failed", str(error), ends=True)
        except Exception as error:  # a driver may raise anything, and the loop must survive all of it
            self.sensor._fail(self, "failed", f"{type(error).__name__}: {error}")
        except BaseException as error:  # SystemExit and KeyboardInterrupt: they are for programs, this is a thread
            detail = f"Its driver tried to end the program: {type(error).__name__}({error})."
            self.sensor._fail(self, "failed", detail)
        finally:
            self.has_ended = True
            self.sensor._wake.set()
            if source is not None:
                with contextlib.suppress(Exception):
                    source.close()
