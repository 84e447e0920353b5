"""Ctrl-C as a request: the first one asks a run to end in order, the second one ends it at once."""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, Self


class StopRequest:
    """While active, notes SIGINT and SIGTERM instead of raising. `is_set` tells whether one came.

    Args:
        message: what the person is told at the first one.
    """

    def __init__(self, message: str) -> None:
        self.message, self.is_set = message, False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_set:
            os._exit(130)
        self.is_set = True
        print(f"\n{self.message}", file=sys.stderr, flush=True)
