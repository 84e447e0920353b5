"""`Timing`: how punctual the loop is, from a bounded buffer. It measures; the pacing itself is in `rig.py`."""

import numpy as np

from .clock import NS_PER_S

KEPT_TICKS = 4096
"""How many ticks the percentiles look back: over two minutes at 30 Hz."""


class Timing:
    """Lateness of the latest ticks, and counts of all of them.

    A tick's lateness is how long after its deadline the loop went on: the system's wake-up, nothing of the policy's.

    Attributes:
        ticks: how many there were.
        overruns: how many were skipped because the loop came after their deadline.
    """

    def __init__(self) -> None:
        self.ticks = 0
        self.overruns = 0
        self._lateness_ns = np.zeros(KEPT_TICKS, np.int64)
        self._work_ns = np.zeros(KEPT_TICKS, np.int64)
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
        self._lateness_ns[self.ticks % KEPT_TICKS] = woke_ns - due_ns
        self._work_ns[self.ticks % KEPT_TICKS] = work_ns
        self._last_ns = woke_ns
        self.ticks += 1

    def lateness_ms(self, percent: float) -> float:
        """A percentile of the lateness, in ms; 0 before the first tick."""
        return self._percentile(self._lateness_ns, percent)

    def work_ms(self, percent: float) -> float:
        """A percentile of the time that the loop's own work took in a tick, in ms; 0 before the first tick."""
        return self._percentile(self._work_ns, percent)

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

    def _percentile(self, buffer: np.ndarray, percent: float) -> float:
        kept = buffer[: min(self.ticks, KEPT_TICKS)]
        return float(np.percentile(kept, percent)) / 1e6 if len(kept) else 0.0
