"""`Watchdog`: a thread that watches over the loop, since a loop that hangs cannot see that it does.

The rig feeds it at the beginning and at the end of every step. When nobody feeds it for `timeout_s`, it calls once, and
again only after it was fed again. What is done then is the rig's affair.
"""

import contextlib
import threading
from collections.abc import Callable

from .clock import NS_PER_S, Clock, to_ns

JOIN_S = 1.0
"""How long `stop` waits for the thread to end: what it calls may hang as well."""


class Watchdog:
    """Calls when nothing has fed it for a while. Real time alone: on a clock that stands still nobody comes late.

    Args:
        clock: what the loop goes by.
        timeout_s: how long it waits.
        call: called from the thread, with the seconds since it was fed; what it raises is lost.
    """

    def __init__(self, clock: Clock, timeout_s: float, call: Callable[[float], object]) -> None:
        self.timeout_s = timeout_s
        self._clock, self._call = clock, call
        self._fed_ns = 0
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def feed(self) -> None:
        """All is well now. The first call starts the thread."""
        self._fed_ns = self._clock.now_ns()
        if self._thread is None and self._clock.passes_by_itself:
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()

    @property
    def is_expired(self) -> bool:
        """Whether it was fed too long ago."""
        return self._clock.now_ns() - self._fed_ns >= to_ns(self.timeout_s)

    def stop(self) -> None:
        """Ends the thread; may be called twice, or before it began."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _watch(self) -> None:
        # No wait is longer than the time-out: a feed that comes meanwhile has its deadline after the wait's end.
        left_s, called_ns = self.timeout_s, -1
        while not self._ending.wait(left_s):
            fed_ns = self._fed_ns
            silent_s = (self._clock.now_ns() - fed_ns) / NS_PER_S
            left_s = self.timeout_s - silent_s
            if left_s <= 0:
                left_s = self.timeout_s
                if called_ns != fed_ns:
                    called_ns = fed_ns
                    with contextlib.suppress(Exception):
                        self._call(silent_s)
