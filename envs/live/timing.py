"""`Timing`: how punctual the loop is, over a whole session. It measures; the pacing itself is in `rig.py`.

What a tick took is counted in classes that are 2 % wide, so that percentiles of hours need 30 KB and are true to 1 %.
"""

import math

import numpy as np

from .clock import NS_PER_S

MIN_NS = 1_000
"""Everything shorter is one class."""

CLASSES_PER_E_FOLD = 50
CLASSES = math.ceil(CLASSES_PER_E_FOLD * math.log(1e12 / MIN_NS))
"""Up to 1,000 s."""


class Spans:
    """How long something took, each time.

    Attributes:
        count: how often.
        longest_ns: the longest time.
    """

    def __init__(self) -> None:
        self.count = 0
        self.longest_ns = 0
        self._shortest_ns = 2**63 - 1
        self._classes = np.zeros(CLASSES + 1, np.int64)

    def add(self, span_ns: int) -> None:
        """Counts one time."""
        self.count += 1
        self.longest_ns = max(self.longest_ns, span_ns)
        self._shortest_ns = min(self._shortest_ns, span_ns)
        number = 0 if span_ns < MIN_NS else 1 + int(CLASSES_PER_E_FOLD * math.log(span_ns / MIN_NS))
        self._classes[min(number, CLASSES)] += 1

    def percentile_ms(self, percent: float) -> float:
        """A percentile in ms, true to 1 % and to a microsecond; 0 before the first time."""
        if self.count == 0:
            return 0.0
        if percent >= 100:
            return self.longest_ns / 1e6
        rank = max(1, math.ceil(self.count * percent / 100 - 1e-6))
        number = int(np.searchsorted(np.cumsum(self._classes), rank))
        middle_ns = 0.0 if number == 0 else MIN_NS * math.exp((number - 0.5) / CLASSES_PER_E_FOLD)
        return min(max(middle_ns, self._shortest_ns), self.longest_ns) / 1e6


class Timing:
    """Lateness and work of all ticks.

    A tick's lateness is how long after its deadline the loop went on: the system's wake-up, nothing of the policy's.

    Attributes:
        ticks: how many there were.
        overruns: how many were skipped because the loop came after their deadline.
    """

    def __init__(self) -> None:
        self.ticks = 0
        self.overruns = 0
        self._lateness = Spans()
        self._work = Spans()
        self._first_ns = 0
        self._last_ns = 0

    def add(self, due_ns: int, woke_ns: int, work_ns: int) -> None:
        """Notes a tick.

        Args:
            due_ns: its deadline.
            woke_ns: when the loop went on.
            work_ns: what the loop needed before it, from the last observation to the end of sending the action.
        """
        if self.ticks == 0:
            self._first_ns = woke_ns
        self._lateness.add(woke_ns - due_ns)
        self._work.add(work_ns)
        self._last_ns = woke_ns
        self.ticks += 1

    def lateness_ms(self, percent: float) -> float:
        """A percentile of the lateness of all ticks, in ms; 0 before the first one."""
        return self._lateness.percentile_ms(percent)

    def work_ms(self, percent: float) -> float:
        """A percentile of the time that the loop's own work took in a tick, in ms; 0 before the first tick."""
        return self._work.percentile_ms(percent)

    @property
    def p50_ms(self) -> float:
        """The median lateness, in ms."""
        return self.lateness_ms(50)

    @property
    def p99_ms(self) -> float:
        """The lateness that 99 of 100 ticks keep, in ms."""
        return self.lateness_ms(99)

    @property
    def rate_hz(self) -> float:
        """Ticks per second since the first one; 0 before the second."""
        passed_ns = self._last_ns - self._first_ns
        return (self.ticks - 1) * NS_PER_S / passed_ns if passed_ns > 0 else 0.0

    def summary(self) -> dict[str, float | int]:
        """Everything as plain numbers, for a status line, a report or JSON."""
        return {
            "ticks": self.ticks,
            "overruns": self.overruns,
            "rate_hz": self.rate_hz,
            "lateness_p50_ms": self.p50_ms,
            "lateness_p99_ms": self.p99_ms,
            "lateness_max_ms": self.lateness_ms(100),
            "work_p50_ms": self.work_ms(50),
            "work_p99_ms": self.work_ms(99),
        }
