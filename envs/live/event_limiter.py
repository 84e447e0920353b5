"""`Changes`: which changes of something are told, one by one, before they become a flood.

A camera that is a little slower than its `max_age_s` comes and goes with every frame. That is what the agent needs to
know, and it does, from `present`; people and recordings need to know it once.
"""

import collections
from collections.abc import Hashable

from .clock import to_ns

MOST_TOLD = 6
"""So many changes are told one by one within `WINDOW_S`: something that was lost and came back three times."""

WINDOW_S = 10.0
SETTLED_S = 5.0
"""What has not changed for so long has settled."""


class Changes:
    """Follows one value.

    Args:
        value: the one that everybody knows, so that it need not be told.
    """

    def __init__(self, value: Hashable) -> None:
        self.value = value
        self.is_unsteady = False
        self._told = value
        self._told_ns: collections.deque[int] = collections.deque(maxlen=MOST_TOLD)
        self._changed_ns = 0

    def look(self, value: Hashable, now_ns: int) -> str:
        """What to tell of the present value.

        Returns:
            "change": it is another one than was told before; "unsteady": it changes so often that nothing more is told
            until it has settled; "": nothing.
        """
        has_changed = value != self.value
        if has_changed:
            self.value, self._changed_ns = value, now_ns
        if self.is_unsteady:
            if now_ns - self._changed_ns < to_ns(SETTLED_S):
                return ""
            self.is_unsteady = False
            self._told_ns.clear()
        if value == self._told:
            return ""
        if len(self._told_ns) == MOST_TOLD and now_ns - self._told_ns[0] < to_ns(WINDOW_S):
            self.is_unsteady = True
            return "unsteady"
        self._told = value
        self._told_ns.append(now_ns)
        return "change"
