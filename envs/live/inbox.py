"""`Inbox`: the newest good reading of one sensor, and the doorkeeper that lets only good ones in.

Every sensor puts its readings in here, whatever makes them; the loop looks at `newest`. One thread offers, another may
look: what is shared is a single attribute and a bounded queue.
"""

import collections
import dataclasses
import math
from collections.abc import Callable

import numpy as np

from ...perception.spec import Kind
from .clock import to_ns
from .event_limiter import FloodLimiter
from .reading import Event, Reading, misfit

QUIET_NS = to_ns(5.0)
"""After this long without a dropped reading, the next one is an event again."""

MAX_EVENTS = 1000
"""How many events are kept until somebody takes them; beyond that the oldest go."""


class Inbox:
    """Keeps readings in order and in shape.

    A reading is dropped, and counted, when its content does not fit the kind or its capture time is not later than that
    of the newest one. A capture time later than its arrival is set to the arrival, for such a stamp would look fresh
    long after its device died. With `unchanged_s`, content that has been the same, bit for bit, for that long counts as
    frozen (a dead driver that repeats its last frame, a muted microphone's zeros): the newest reading is forgotten and
    equal ones are dropped until something else comes.

    Args:
        name: the sense, for events.
        kind: what the content must fit.
        unchanged_s: seconds; None lets content stay the same for ever, as a file's or a simulator's may.

    Attributes:
        failure: the sentence of the device's last failure, "" while it works; what it says can be fixed.
        retries: how often in a row the device failed.
        newest: the newest good reading; None before the first, and while the content is frozen.
        accepted: how many readings were let in.
        dropped: how many were not.
        retimed: how many had a capture time in the future.
        listener: called with every reading that was let in, by the thread that offers it; it must return at once.
    """

    def __init__(self, name: str, kind: Kind, unchanged_s: float | None = None) -> None:
        self.name = name
        self.kind = kind
        self.failure = ""
        self.retries = 0
        self.newest: Reading | None = None
        self.accepted = 0
        self.dropped = 0
        self.retimed = 0
        self.listener: Callable[[Reading], object] | None = None
        self._unchanged_ns = to_ns(math.inf if unchanged_s is None else unchanged_s)
        self._last: Reading | None = None
        self._changed_ns = 0
        self._dropped_ns: int | None = None
        self._flood = FloodLimiter()
        self._events: collections.deque[Event] = collections.deque(maxlen=MAX_EVENTS)

    def offer(self, reading: Reading, now_ns: int) -> bool:
        """Lets a reading in if it is good.

        Returns:
            Whether it was let in, which is what counts as a sign of life.
        """
        if reading.captured_ns > now_ns:
            self.retimed += 1
            reading = dataclasses.replace(reading, captured_ns=now_ns)
        fault = misfit(self.kind, reading.content) or self._disorder(reading) or self._frozen(reading)
        if fault is not None:
            self.dropped += 1
            if self._dropped_ns is None or now_ns - self._dropped_ns > QUIET_NS:
                self.add_event(now_ns, "dropped", f"A reading {fault}.")
            self._dropped_ns = now_ns
            return False
        self._last = self.newest = reading
        self.accepted += 1
        if self.listener is not None:
            self.listener(reading)
        return True

    def _disorder(self, reading: Reading) -> str | None:
        if self._last is None or reading.captured_ns > self._last.captured_ns:
            return None
        behind_ms = (self._last.captured_ns - reading.captured_ns) / 1e6
        return f"is not newer than the one before it, but {behind_ms:.1f} ms older"

    def _frozen(self, reading: Reading) -> str | None:
        if self._last is None or not np.array_equal(reading.content, self._last.content):
            self._changed_ns = reading.captured_ns
            return None
        unchanged_ns = reading.captured_ns - self._changed_ns
        if unchanged_ns < self._unchanged_ns:
            return None
        self.newest = None
        return f"is frozen: its content has been the same for {unchanged_ns / 1e9:.1f} s"

    def add_event(self, time_ns: int, kind: str, detail: str = "") -> None:
        """Adds an event of this sense: the same warning only once, and of a flood only the beginning. "stop" is exempt.

        Args:
            time_ns: when it happened.
            kind: one of `EVENT_KINDS`.
            detail: a sentence for people.
        """
        if kind == "warning" and self._flood.is_repeated(detail):
            return
        verdict = "pass" if kind == "stop" else self._flood.update(kind, time_ns)
        if verdict == "flood":
            kind, detail = "warning", f'Events of the kind "{kind}" come so fast that most of them are left out.'
        if verdict:
            self._events.append(Event(time_ns, self.name, kind, detail))

    def add_failure(self, time_ns: int, kind: str, detail: str, *, ends: bool = False) -> bool:
        """Adds that the device failed, unless it failed in the same words the last time; that is only counted.

        Args:
            time_ns: when.
            kind: "failed", "stalled" or "ended".
            detail: why, a sentence.
            ends: it is not opened again.

        Returns:
            Whether it was added.
        """
        is_news = detail != self.failure or ends or kind == "ended"
        if is_news:
            self.add_event(time_ns, kind, detail)
        self.failure = detail
        self.retries += 1
        if ends:
            self.add_event(time_ns, "ended", "To open it again would be useless.")
        return is_news

    def add_opened(self, time_ns: int, attempts: int) -> None:
        """Adds that the device works, and at which attempt that was if not at the first."""
        self.failure, self.retries = "", 0
        self.add_event(time_ns, "opened", "" if attempts == 1 else f"Attempt {attempts}.")

    def take_events(self) -> list[Event]:
        """What happened since the last call, in the order in which it was noticed."""
        taken: list[Event] = []
        while self._events:
            taken.append(self._events.popleft())
        return taken
