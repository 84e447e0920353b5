"""`RecordingQueue`: between the loop and a slow disk. Bounded in bytes; what does not fit is dropped and counted.

Nothing here waits for anything but a lock that is held for microseconds.
"""

import collections
import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")

FRAMES_SHARE = 0.75
"""The part of the queue that pictures may fill; the rest is kept for sound, texts, ticks and events."""

ITEM_BYTES = 500
"""What an item needs besides its content."""


class RecordingQueue(Generic[Item]):
    """A queue with many writers and one reader.

    Args:
        max_bytes: how much may wait.

    Attributes:
        dropped: topic -> how many items did not fit.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.dropped: collections.Counter[str] = collections.Counter()
        self._items: collections.deque[tuple[Item, int]] = collections.deque()
        self._bytes = 0
        self._is_open = True
        self._lock = threading.Lock()

    def put(self, topic: str, item: Item, size_bytes: int, *, is_frame: bool = False) -> bool:
        """Adds an item if there is room for it.

        Args:
            topic: what to count it under if there is not.
            item: what the reader gets.
            size_bytes: of its content.
            is_frame: pictures are the first to be dropped.

        Returns:
            Whether it was added; nothing is after `end`.
        """
        size_bytes += ITEM_BYTES
        with self._lock:
            if not self._is_open:
                return False
            if self._bytes + size_bytes > self.max_bytes * (FRAMES_SHARE if is_frame else 1.0):
                self.dropped[topic] += 1
                return False
            self._items.append((item, size_bytes))
            self._bytes += size_bytes
            return True

    def take(self) -> Item | None:
        """The oldest item, which is removed; None if there is none."""
        with self._lock:
            if not self._items:
                return None
            item, size_bytes = self._items.popleft()
            self._bytes -= size_bytes
            return item

    def end(self, *, forget: bool = False) -> None:
        """Takes nothing more; with `forget`, what waits is gone."""
        with self._lock:
            self._is_open = False
            if forget:
                self._items.clear()
                self._bytes = 0
