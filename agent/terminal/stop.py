"""A signal as a request: the first one asks a run to end in order; a second Ctrl-C ends it at once."""

import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, Self

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
"""Ctrl-C and `kill`; a terminal that was closed; what Slurm sends before it takes a machine away (`--signal=USR1`)."""

AT_ONCE = ("SIGINT", "SIGTERM")
"""The second one of these ends the process; the others never do, as they come beside them when a machine stops."""


class StopRequest:
    """While active, notes signals instead of raising. `is_set` tells whether one came.

    A signal that is ignored when it begins stays ignored: `nohup` does that with SIGHUP.

    Args:
        message: what the person is told at the first one.
    """

    def __init__(self, message: str) -> None:
        self.message, self.is_set = message, False
        self._asked = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
                is_of_hangup = signal.Signals(number).name not in AT_ONCE
                if not (is_of_hangup and signal.getsignal(number) is signal.SIG_IGN):
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if signal.Signals(number).name in AT_ONCE:
            self._asked += 1
            if self._asked > 1:
                os._exit(130)
        if not self.is_set:
            self.is_set = True
            with contextlib.suppress(OSError, ValueError, RuntimeError):  # the terminal may be gone
                print(f"\n{self.message}", file=sys.stderr, flush=True)
