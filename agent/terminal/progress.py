"""What a person sees while something runs: messages, and a progress line on standard error.

On a terminal the line is a bar that redraws itself; in a log file it is a new line now and then. Standard output is
never touched: it belongs to results.
"""

import contextlib
import sys
import time
from typing import Any, Self

from tqdm import tqdm

from ...perception.texts import shown

LOG_EVERY_S = 15.0

MAX_MESSAGE = 2000
"""Characters of a message that are shown."""


def tell(message: str) -> None:
    """Writes one message to standard error, above a progress bar where there is one.

    Nobody may be there to read it: a terminal that was closed is no reason to stop.
    """
    with contextlib.suppress(OSError):
        tqdm.write(shown(message, MAX_MESSAGE, keep="\n"), file=sys.stderr)


def duration(seconds: float) -> str:
    """A length of time for people: "42 s", "3 min 05 s", "2 h 07 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Progress:
    """How far something is, how fast it goes and when it will be done.

    Args:
        total: units of work in all.
        unit: their name, in the plural.
        done: units that were done earlier (a resumed run); they do not count for the speed.
        is_quiet: whether nothing is shown.
    """

    def __init__(self, total: int, unit: str, done: int = 0, *, is_quiet: bool = False) -> None:
        self._is_quiet = is_quiet
        self.total, self.unit, self.done = total, unit, done
        self._start, self._done_at_start = time.monotonic(), done
        self._told = self._start
        # What a narrow terminal cuts off stands last; speed and time left are those of the whole, as in a log.
        layout = "{percentage:3.0f}% {bar:10} {n:,}/{total:,} " + unit + "  {rate_fmt}  {remaining} left{postfix}"
        is_terminal = sys.stderr.isatty() and not is_quiet
        settings: Any = {"bar_format": layout, "unit": "", "mininterval": 0.2, "leave": True}
        settings |= {"dynamic_ncols": True, "smoothing": 0.0}
        self._bar = tqdm(total=total, initial=done, file=sys.stderr, **settings) if is_terminal else None

    def advance(self, units: int, note: str = "") -> None:
        """Adds finished units; `note` is shown beside them."""
        self.done += units
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.set_postfix_str(shown(note), refresh=False)
                self._bar.update(min(self.done, self.total) - self._bar.n)
        elif not self._is_quiet and time.monotonic() - self._told >= LOG_EVERY_S:
            self._told = time.monotonic()
            self._log(note)

    def _log(self, note: str) -> None:
        seconds = time.monotonic() - self._start
        rate = (self.done - self._done_at_start) / max(seconds, 1e-9)
        left = duration(max(0, self.total - self.done) / rate) if rate > 0 else "unknown time"
        share = 100 * self.done / self.total
        parts = [f"{share:3.0f}%  {self.done:,}/{self.total:,} {self.unit}", f"{rate:,.0f}/s", f"{left} left", note]
        tell("  ".join(part for part in parts if part))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.close()
