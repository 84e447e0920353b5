"""What keeps events from becoming a flood: `EventLimiter` follows a value, `FloodLimiter` the events of a sense.

A camera that is a little slower than its `max_age_s` comes and goes with every frame. That is what the agent needs to
know, and it does, from `present`; people and recordings need to know it once. A pipe of random text makes thousands of
warnings a second; a person needs the first few.
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


MAX_OF_A_KIND = 10
"""So many events of one kind are passed on within `WINDOW_S`; the others are left out."""

MAX_REMEMBERED = 64
"""So many different events are remembered, so that the same one is not passed on again."""


class FloodLimiter:
    """Passes on the first events of each kind and leaves out the rest. Its memory is bounded, whatever comes."""

    def __init__(self) -> None:
        self._passed_ns: dict[str, collections.deque[int]] = {}
        self._is_flood: set[str] = set()
        self._remembered: collections.OrderedDict[int, None] = collections.OrderedDict()

    def is_repeated(self, detail: str) -> bool:
        """Whether this is one of the last `MAX_REMEMBERED` different details that were asked about."""
        key = hash(detail)
        is_known = key in self._remembered
        self._remembered[key] = None
        self._remembered.move_to_end(key)
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return is_known

    def update(self, kind: str, now_ns: int) -> str:
        """Takes an event of a kind, one of `EVENT_KINDS`, and says what to do with it.

        Returns:
            "pass": it is passed on; "flood": it is the first of a flood, to be told instead of it; "": it is left out.
        """
        passed_ns = self._passed_ns.setdefault(kind, collections.deque(maxlen=MAX_OF_A_KIND))
        if len(passed_ns) < MAX_OF_A_KIND or now_ns - passed_ns[0] >= to_ns(WINDOW_S):
            passed_ns.append(now_ns)
            self._is_flood.discard(kind)
            return "pass"
        if kind in self._is_flood:
            return ""
        self._is_flood.add(kind)
        return "flood"
