"""`Replay`: sensors that play a recorded session, so that a rig senses again, bit for bit, what it sensed then.

    replay = Replay("session.mcap")
    rig = LiveRig(replay.senses, replay.sensors(), clock=replay.clock(), start_up_s=0.0, ...)

On `replay.clock()` nothing waits, and each tick comes at the very time at which it was recorded; on a `SystemClock` the
session passes at real speed. Files of any length are played: only the next moments are in memory.
"""

import collections
import math
import os
from collections.abc import Iterator

from ....perception.spec import Kind
from ..clock import Clock, VirtualClock
from ..reading import Event, Reading
from ..sensor import Sensor
from .format import SessionError, Stored
from .session import Session, TickRecord, only_file

OF_THE_RIG = frozenset({"absent", "back", "unsteady", "instruction"})
"""Events that the rig finds out by itself, again."""


class Replay:
    """A recorded session as sensors. It is played once; make another one to play it again.

    Args:
        path: an .mcap file, or a `Session`.

    Attributes:
        session: the recording.
        senses: its Spec.
        start_ns: the time of the first tick, in the recorded clock.
        has_ended: whether a sensor was asked for a time after the last tick.

    Raises:
        SessionError: there is no session, or no tick in it.
    """

    def __init__(self, path: str | os.PathLike[str] | Session) -> None:
        self.session = path if isinstance(path, Session) else Session(only_file(path))
        self.senses = self.session.spec
        self.has_ended = False
        self._parts = iter(self.session)
        self._tracks = {name: _Track(name) for name in self.senses}
        self._ahead_ns: int | None = None
        self._offset_ns: int | None = None
        self._has_more = True
        self._read_tick()
        if self._ahead_ns is None:
            raise SessionError(f"{self.session.path} ends before its first tick; there is nothing to play.")
        self.start_ns = self._ahead_ns

    def sensors(self) -> dict[str, Sensor]:
        """Sense -> its sensor. A sense that had none when the session was recorded has none now."""
        return {
            name: ReplaySensor(self, name, kind, self.session.max_age_s[name])
            for name, kind in self.senses.items()
            if name in self.session.max_age_s
        }

    def clock(self) -> "ReplayClock":
        """A clock that stands at the first tick; a sleep on it ends at the next one at once."""
        return ReplayClock(self.session)

    def begin(self, clock: Clock) -> None:
        """Lets the first tick be now; the first of the sensors that are started calls it."""
        if self._offset_ns is None:
            self._offset_ns = clock.now_ns() - self.start_ns

    def track(self, name: str, now_ns: int) -> "_Track":
        """What a sense had given at a time of the clock that `begin` was given."""
        then_ns = now_ns - self.offset_ns
        while self._has_more and (self._ahead_ns is None or self._ahead_ns <= then_ns):
            self._read_tick()
        self.has_ended = not self._has_more and then_ns > (self._ahead_ns or 0)
        self._tracks[name].advance(then_ns)
        return self._tracks[name]

    @property
    def offset_ns(self) -> int:
        """What is added to recorded times."""
        return self._offset_ns or 0

    def _read_tick(self) -> None:
        """Reads up to the next tick and files what it tells about when each reading was there."""
        for part in self._parts:
            if isinstance(part, Stored):
                self._tracks[part.decoder.name].take_in(part)
            elif isinstance(part, Event):
                if part.sense in self._tracks and part.kind not in OF_THE_RIG:
                    self._tracks[part.sense].events.append(part)
            else:
                for name, track in self._tracks.items():
                    track.pass_tick(part, name)
                self._ahead_ns = part.time_ns
                return
        self._has_more = False


class _Track:
    """What one sense gave, in order, with the times from which it was there.

    A reading is there from the first tick that knew it. One that a tick did not know was there after that tick, and
    before the next one, whatever its capture time says: that is how late it was.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.current: Stored | int | None = None
        self.events: collections.deque[Event] = collections.deque()
        self._unseen: collections.deque[Stored] = collections.deque()
        self._timed: collections.deque[tuple[int, Stored | int | None]] = collections.deque()
        self._newest: Stored | int | None = None
        self._last_ns: int | None = None

    def take_in(self, stored: Stored) -> None:
        self._unseen.append(stored)

    def pass_tick(self, tick: TickRecord, name: str) -> None:
        """Finds out which reading the sensor had at a tick: the one whose age was recorded, or none."""
        age_s = tick.ages_s[name]
        captured_ns = tick.captured_ns[name]
        if captured_ns is None and age_s != math.inf:
            captured_ns = tick.time_ns - round(age_s * 1e9)
        newest: Stored | int | None = None
        if captured_ns is not None:
            if _captured_ns(self._newest) == captured_ns:
                newest = self._newest
            elif tick.captured_ns[name] is None:
                newest = captured_ns  # if it is in the file, it is found now
            while self._unseen and self._unseen[0].captured_ns <= captured_ns:
                stored = self._unseen.popleft()
                if stored.captured_ns == captured_ns:
                    newest = stored
                else:
                    after_ns = (
                        stored.captured_ns if self._last_ns is None else max(stored.captured_ns, self._last_ns + 1)
                    )
                    self._timed.append((min(after_ns, tick.time_ns), stored))
        if newest is not self._newest:
            self._timed.append((self._since_ns(newest, tick), newest))
        self._newest, self._last_ns = newest, tick.time_ns

    def _since_ns(self, part: Stored | int | None, tick: TickRecord) -> int:
        """From when on the sensor had something that it had at this tick, but not at the one before."""
        captured_ns = _captured_ns(part)
        if captured_ns is None:
            return tick.time_ns
        after_ns = captured_ns if self._last_ns is None else max(captured_ns, self._last_ns + 1)
        return min(after_ns, tick.time_ns)

    def advance(self, then_ns: int) -> None:
        while self._timed and self._timed[0][0] <= then_ns:
            self.current = self._timed.popleft()[1]


def _captured_ns(part: Stored | int | None) -> int | None:
    return part.captured_ns if isinstance(part, Stored) else part


class ReplaySensor(Sensor):
    """One sense of a `Replay`. The time it is asked for must not go back.

    Args:
        replay: the session.
        name: the sense.
        kind: its kind.
        max_age_s: as recorded.
    """

    def __init__(self, replay: Replay, name: str, kind: Kind, max_age_s: float) -> None:
        super().__init__(name, kind, max_age_s)
        self._replay = replay
        self._last: tuple[Stored | int | None, Reading | None] = (None, None)
        self._now_ns: int | None = None
        self._has_noted_end = False

    def start(self, clock: Clock) -> None:
        self._replay.begin(clock)

    def newest(self, now_ns: int) -> Reading | None:
        self._now_ns = now_ns
        current = self._replay.track(self.name, now_ns).current
        if current is not self._last[0]:
            self._last = (current, self._reading(current))
        return self._last[1]

    def _reading(self, current: Stored | int | None) -> Reading | None:
        offset_ns = self._replay.offset_ns
        if current is None:
            return None
        if isinstance(current, int):  # too old already when it came, so that nobody saw its content
            return Reading(self.kind.placeholder(), current + offset_ns, 0)
        reading = current.reading()
        return Reading(reading.content, reading.captured_ns + offset_ns, reading.number, reading.text)

    def take_events(self) -> list[Event]:
        taken: list[Event] = []
        if self._now_ns is None:
            return taken
        events, offset_ns = self._replay.track(self.name, self._now_ns).events, self._replay.offset_ns
        while events and events[0].time_ns + offset_ns <= self._now_ns:
            event = events.popleft()
            taken.append(Event(event.time_ns + offset_ns, event.sense, event.kind, event.detail))
        if self._replay.has_ended and not self._has_noted_end:
            self._has_noted_end = True
            taken.append(Event(self._now_ns, self.name, "ended", "The recording is over."))
        return taken

    def stop(self) -> None:
        """Nothing is open but the file, which closes when its end is reached or nobody plays it any more."""


class ReplayClock(VirtualClock):
    """Stands at the first tick of a session; whoever sleeps wakes at the next tick, or after the last at the deadline.

    Args:
        session: the recording.
    """

    def __init__(self, session: Session) -> None:
        self._times: Iterator[int] = (tick.time_ns for tick in session.ticks())
        super().__init__(next(self._times, 0))

    def sleep_until_ns(self, deadline_ns: int) -> None:
        for time_ns in self._times:
            if time_ns > self.now_ns():
                deadline_ns = time_ns
                break
        super().sleep_until_ns(deadline_ns)
