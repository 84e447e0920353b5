"""`Digest`: what a report needs to know of a session, in memory that does not grow with its length.

Curves are kept at a resolution that is halved whenever they would become too long; readings likewise. It is fed tick
by tick, live or from a recording, and knows nothing of pages and pixels. One thread feeds it.
"""

import collections
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...envs.live.align import Moment
from ...envs.live.reading import Event
from ...envs.live.tick import Tick
from ...perception.spec import PRESENT, Microphone, Spec

MAX_POINTS = 1024
"""A curve has at most so many points."""

MIN_READINGS = 16
"""Of each sense at least so many readings are kept, if there were so many ticks, and less than twice as many."""

MAX_EVENTS = 300
"""The latest events that are listed; all of them are counted."""

MAX_GAPS = 20_000
"""How many times between ticks the histogram looks back: 11 minutes at 30 Hz."""

BANDS = 48
"""Rows of a spectrogram."""


class Curve:
    """Values over ticks, at most `MAX_POINTS` points: each is the mean, or the maximum, of as many ticks as it needs.

    Args:
        width: values in a point.
        takes_maximum: instead of the mean.
    """

    def __init__(self, width: int, *, takes_maximum: bool = False) -> None:
        self._merge = np.maximum if takes_maximum else np.add
        self._divisor = 1 if takes_maximum else 2
        self._points = np.zeros((MAX_POINTS, width))
        self._count = 0
        self._ticks_per_point = 1
        self._pending = np.zeros(width)
        self._pending_ticks = 0

    def add(self, values: NDArray[Any]) -> None:
        """Adds a tick's values."""
        self._pending = self._merge(self._pending, values) if self._pending_ticks else np.array(values, np.float64)
        self._pending_ticks += 1
        if self._pending_ticks < self._ticks_per_point:
            return
        if self._count == MAX_POINTS:
            self._points[: MAX_POINTS // 2] = self._merge(self._points[::2], self._points[1::2]) / self._divisor
            self._count //= 2
            self._ticks_per_point *= 2
            return
        self._points[self._count] = self._mean()
        self._count += 1
        self._pending_ticks = 0

    def points(self) -> NDArray[np.float64]:
        """All points, the unfinished one too: (points, width)."""
        kept = self._points[: self._count]
        return np.concatenate([kept, self._mean()[None]]) if self._pending_ticks else kept.copy()

    def _mean(self) -> NDArray[np.float64]:
        return self._pending if self._divisor == 1 else self._pending / self._pending_ticks


class Digest:
    """Facts, curves, readings and events of a session.

    Args:
        senses: the Spec of the observations.
        action_names: the names of the actions; empty where they have none.
        period_s: how long a tick should be.
        max_age_s: sense -> how old a reading may be.

    Attributes:
        ticks: how many there were.
        safe_ticks: how many were answered by the safe action.
        skipped: ticks that were not looked at, because there was no time for it.
        kinds: event kind -> how many.
        events: the latest ones.
        readings: sense -> (seconds, reading), None where the sense was absent; of every sense that is neither sound nor
            text, evenly over the session.
    """

    def __init__(
        self, senses: Spec, action_names: Sequence[str], period_s: float, max_age_s: Mapping[str, float]
    ) -> None:
        self.senses, self.action_names = senses, tuple(action_names)
        self.period_s, self.max_age_s = period_s, dict(max_age_s)
        self.ticks = self.safe_ticks = self.skipped = 0
        self.has_gates = False
        self.kinds: collections.Counter[str] = collections.Counter()
        self.events: collections.deque[Event] = collections.deque(maxlen=MAX_EVENTS)
        self._sounds = {name: Curve(BANDS) for name in senses.of_kind(Microphone)}
        self._filmed = [name for name in senses if name not in self._sounds and name not in senses.texts()]
        self.readings: dict[str, list[tuple[float, NDArray[Any] | None]]] = {name: [] for name in self._filmed}
        self.first_ns = self.last_ns = 0
        self._every = 1
        count = len(senses)
        self._times, self._present, self._gates = Curve(1), Curve(count), Curve(count)
        self._ages = Curve(count, takes_maximum=True)
        self._actions = Curve(len(self.action_names) + 1)
        self._presence = np.zeros(count, np.int64)
        self._gaps: collections.deque[int] = collections.deque(maxlen=MAX_GAPS)
        self._has_hole = False

    def add(self, tick: Tick) -> None:
        """Takes in one tick."""
        moment = tick.moment
        present = np.asarray(moment.observation[PRESENT])
        if self.ticks == 0:
            self.first_ns = moment.time_ns
        elif not self._has_hole:
            self._gaps.append(moment.time_ns - self.last_ns)
        self._has_hole = False
        self.last_ns = moment.time_ns
        seconds = self.seconds
        self._times.add(np.array([seconds]))
        self._present.add(present)
        self._presence += present
        self._ages.add(np.array([moment.ages_s.get(name, math.inf) for name in self.senses]))
        gates = tick.gates or {}
        self.has_gates |= tick.gates is not None
        self._gates.add(np.array([gates.get(name, 0.0) for name in self.senses]))
        chosen = np.array([name == tick.action_name for name in self.action_names] + [tick.is_safe], np.float64)
        self._actions.add(chosen)
        for name, curve in self._sounds.items():
            curve.add(bands(moment.observation[name]))
        if self.ticks % self._every == 0:
            self._keep_readings(moment, present, seconds)
        self.ticks += 1
        self.safe_ticks += tick.is_safe
        self.note(moment.events)

    def note(self, events: Iterable[Event]) -> None:
        """Takes in events that belong to no tick any more."""
        for event in events:
            self.kinds[event.kind] += 1
            self.events.append(event)

    def skip(self, ticks: int) -> None:
        """Counts ticks that nobody could look at."""
        self.skipped += ticks
        self._has_hole = True

    def _keep_readings(self, moment: Moment, present: NDArray[Any], seconds: float) -> None:
        for name in self._filmed:
            is_here = present[self.senses.names.index(name)]
            self.readings[name].append((seconds, np.asarray(moment.observation[name]) if is_here else None))
        if self._filmed and len(self.readings[self._filmed[0]]) == 2 * MIN_READINGS:
            for kept in self.readings.values():
                del kept[1::2]
            self._every *= 2

    @property
    def seconds(self) -> float:
        """From the first tick to the last."""
        return (self.last_ns - self.first_ns) / 1e9

    @property
    def presence(self) -> dict[str, float]:
        """Sense -> the share of the ticks in which it was there, 0..1."""
        return dict(zip(self.senses, (self._presence / max(1, self.ticks)).tolist(), strict=True))

    @property
    def times_s(self) -> NDArray[np.float64]:
        """Seconds since the first tick of every point: (points,)."""
        return self._times.points()[:, 0]

    @property
    def present(self) -> NDArray[np.float64]:
        """Share of presence: (points, senses)."""
        return self._present.points()

    @property
    def ages_s(self) -> NDArray[np.float64]:
        """The greatest age: (points, senses)."""
        return self._ages.points()

    @property
    def gates(self) -> NDArray[np.float64]:
        """Mean gates: (points, senses)."""
        return self._gates.points()

    @property
    def actions(self) -> NDArray[np.float64]:
        """Share of each action, and of the safe one at the end: (points, actions + 1)."""
        return self._actions.points()

    @property
    def gaps_ms(self) -> NDArray[np.float64]:
        """How much longer than a tick should be the latest ticks were, in ms: (ticks,)."""
        return np.array(self._gaps, np.float64) / 1e6 - 1e3 * self.period_s

    def loudness(self, name: str) -> NDArray[np.float64]:
        """The spectrogram of a microphone in dB of full scale, the deepest band first: (points, bands)."""
        return 10 * np.log10(self._sounds[name].points() + 1e-10)


def bands(sound: NDArray[Any]) -> NDArray[np.float64]:
    """Power in each band of a window of sound, (channels, samples), a full sine being 1; bands are even in log f."""
    samples = sound.shape[-1]
    window = np.hanning(samples)
    spectrum = np.abs(np.fft.rfft(sound * window, axis=-1)) ** 2
    power = spectrum.mean(axis=0) * (2.0 / max(window.sum(), 1e-9)) ** 2
    edges = np.unique(np.geomspace(1, len(power), BANDS + 1).round().astype(int))
    summed = np.maximum.reduceat(power, np.minimum(edges[:-1], len(power) - 1))
    return np.interp(np.linspace(0, 1, BANDS), np.linspace(0, 1, len(summed)), summed)
