"""`Timeline`: when the moments of one file are. Everything that plays the file on one clock shares it.

A file's own time begins at the earliest of its streams and ends with the longest; looped, it begins again there. So
picture and sound stay together for ever, whichever was opened first, or again, and however long their streams are.
"""

import os
import threading
import weakref
from typing import Any

from ...clock import NS_PER_S, Clock

MAX_GAP_NS = 2 * NS_PER_S
"""When nobody looked for longer (the computer slept), the file goes on where it was instead of skipping."""


class Timeline:
    """The time of one file that is being played. All times are nanoseconds; any thread may ask.

    Attributes:
        length_ns: from one beginning of the file to the next, where it is looped; None until somebody knows.
    """

    def __init__(self) -> None:
        self.length_ns: int | None = None
        self._start_ns: int | None = None
        self._looked_ns = 0
        self._lock = threading.Lock()

    def begin(self, now_ns: int) -> int:
        """Begins, if nobody has begun yet.

        Returns:
            How long the file has been played by now.
        """
        with self._lock:
            if self._start_ns is None:
                self._start_ns = self._looked_ns = now_ns
        return self.position_ns(now_ns)

    def begun_ns(self, now_ns: int) -> int:
        """How long the file has been played by now; 0 if nobody has begun."""
        return 0 if self._start_ns is None else self.position_ns(now_ns)

    def position_ns(self, now_ns: int) -> int:
        """How long the file has been played by now, all rounds together."""
        with self._lock:
            if now_ns - self._looked_ns > MAX_GAP_NS:
                self._start_ns = (self._start_ns or 0) + now_ns - self._looked_ns
            self._looked_ns = max(self._looked_ns, now_ns)
            return now_ns - (self._start_ns or 0)

    def time_ns(self, position_ns: int) -> int:
        """When a position is, in the time of the clock."""
        with self._lock:
            return (self._start_ns or 0) + position_ns

    def settle_length(self, length_ns: int) -> int:
        """Says how long a round is; the first to say so is right, so that all go the same round."""
        with self._lock:
            if self.length_ns is None:
                self.length_ns = max(1, length_ns)
            return self.length_ns


_playing: weakref.WeakKeyDictionary[Clock, weakref.WeakValueDictionary[Any, Timeline]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def shared_timeline(clock: Clock, path: str) -> Timeline:
    """The timeline of a file on a clock: the one that is in use, or else a new one, which lives while it is used."""
    with _lock:
        of_clock = _playing.setdefault(clock, weakref.WeakValueDictionary())
        name = os.path.realpath(path)
        timeline = of_clock.get(name)
        if timeline is None:
            timeline = of_clock[name] = Timeline()
        return timeline
