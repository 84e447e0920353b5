"""Time, as everything live sees it: one monotonic clock in nanoseconds, real or moved by hand.

Whatever waits is given its clock, so that the logic of deadlines and ages is tested on a `VirtualClock`, without
threads and without luck. Wall-clock time appears nowhere here; a recording stores it once, as an anchor.
"""

import math
import threading
import time
from typing import Any, Self

from ...perception.errors import ConfigError

NS_PER_S = 1_000_000_000
"""Nanoseconds in a second."""

SPIN_NS = 200_000
"""The last part of a wait that is spent looking at the clock: the system wakes a sleeper some 0.1 ms late."""

APPROACH_NS, NAP_NS = 10_000_000, 1_000_000
"""A long sleep can end milliseconds late, as the processor has to wake up, too: it ends so much before the deadline,
and what is left is slept in short naps."""


def to_ns(seconds: float) -> int:
    """Seconds as whole nanoseconds; what is infinite stays longer than any run (292 years)."""
    return 2**63 - 1 if seconds == math.inf else round(seconds * NS_PER_S)


class Clock:
    """What the parts of a rig wait by. Times are nanoseconds since a moment that is fixed for the process.

    Attributes:
        passes_by_itself: time goes on while nobody waits for it, as it does outside of tests and replays.
    """

    passes_by_itself = False

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: all share one time. Gymnasium copies what `make` was called with."""
        return self

    def now_ns(self) -> int:
        """The present time; it never goes back."""
        raise NotImplementedError

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """Returns as soon as the time is `deadline_ns`, at once if that is past."""
        raise NotImplementedError

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Waits until an event is set, but no longer than `timeout_s`, which may be infinite.

        Returns:
            Whether the event is set.
        """
        raise NotImplementedError


class SystemClock(Clock):
    """The computer's monotonic clock.

    Args:
        spin_ns: how much of the end of a `sleep_until_ns` is spent awake, looking at the clock, to be punctual.
    """

    passes_by_itself = True

    def __init__(self, spin_ns: int = SPIN_NS) -> None:
        self.spin_ns = spin_ns

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep_until_ns(self, deadline_ns: int) -> None:
        left_ns = deadline_ns - APPROACH_NS - time.monotonic_ns()
        if left_ns > 0:
            time.sleep(left_ns / NS_PER_S)
        while (left_ns := deadline_ns - self.spin_ns - time.monotonic_ns()) > 0:
            time.sleep(min(left_ns, NAP_NS) / NS_PER_S)
        while time.monotonic_ns() < deadline_ns:
            pass

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return event.wait(min(timeout_s, threading.TIMEOUT_MAX))


class VirtualClock(Clock):
    """A clock that stands still until somebody sleeps on it or moves it; for tests in one thread.

    Sleeping and waiting take no real time: they move the clock to the end of the wait.

    Args:
        start_ns: the first time it shows.
    """

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance(self, seconds: float) -> None:
        """Moves the clock on.

        Raises:
            ConfigError: `seconds` is negative or not finite; this clock is monotonic too.
        """
        if not 0 <= seconds < math.inf:
            raise ConfigError(f"A clock can be advanced by 0 seconds or more; got {seconds!r}.")
        self._now_ns += to_ns(seconds)

    def sleep_until_ns(self, deadline_ns: int) -> None:
        self._now_ns = max(self._now_ns, deadline_ns)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        if not event.is_set() and timeout_s != math.inf:
            self.advance(max(timeout_s, 0.0))
        return event.is_set()
