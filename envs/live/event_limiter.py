"""`EventLimiter`: which changes of a value become events, one by one, before they become a flood.

A camera that is a little slower than its `max_age_s` comes and goes with every frame. That is what the agent needs to
know, and it does, from `present`; people and recordings need to know it once.
"""

import collections
from collections.abc import Hashable

from .clock import to_ns

MAX_CHANGES = 6
"""So many changes within `WINDOW_S` are reported one by one: something that was lost and came back three times."""

WINDOW_S = 10.0
SETTLED_S = 5.0
"""What has not changed for so long has settled."""


class EventLimiter:
    """Follows one value.

    Args:
        value: the one that everybody knows already, so that it need not be reported.
    """

    def __init__(self, value: Hashable) -> None:
        self.value = value
        self.is_unsteady = False
        self._reported = value
        self._reported_ns: collections.deque[int] = collections.deque(maxlen=MAX_CHANGES)
        self._changed_ns = 0

    def update(self, value: Hashable, now_ns: int) -> str:
        """Takes the present value, and says what to report of it.

        Returns:
            "change": it is another one than was reported before; "unsteady": it changes so often that nothing more is
            reported until it has settled; "": nothing.
        """
        if value != self.value:
            self.value, self._changed_ns = value, now_ns
        if self.is_unsteady:
            if now_ns - self._changed_ns < to_ns(SETTLED_S):
                return ""
            self.is_unsteady = False
            self._reported_ns.clear()
        if value == self._reported:
            return ""
        if len(self._reported_ns) == MAX_CHANGES and now_ns - self._reported_ns[0] < to_ns(WINDOW_S):
            self.is_unsteady = True
            return "unsteady"
        self._reported = value
        self._reported_ns.append(now_ns)
        return "change"
