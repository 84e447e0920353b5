"""What a soak looks at while `senseweave live` runs: memory, threads, handles, ticks missed and whose fault they were.

`Watch` samples the process from a thread of its own and looks on at every tick; `Outsider` is a process that does
nothing but be punctual, so that it shows when the machine itself had no time for anybody. Linux alone.
"""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

SAMPLE_S = 2.0
WINDOW_S = 30.0
"""Memory, threads and handles are medians of so many seconds."""

OUTSIDER = """
import json, sys, time
period_s, late_s = 0.01, float(sys.argv[1])
due_s = time.monotonic()
while True:
    due_s += period_s
    time.sleep(max(0.0, due_s - time.monotonic()))
    woke_s = time.monotonic()
    if woke_s - due_s > late_s:
        print(json.dumps([due_s, woke_s]), flush=True)
        due_s = woke_s
"""


class Outsider:
    """A process that sleeps 10 ms at a time and notes when it was woken late. A context manager.

    Args:
        late_s: what counts as late.
    """

    def __init__(self, late_s: float) -> None:
        self.gaps: list[tuple[float, float]] = []
        words = [sys.executable, "-S", "-c", OUTSIDER, str(late_s)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._listen, name="outsider", daemon=True)

    def __enter__(self) -> "Outsider":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join(5.0)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def late_s(self, begin_s: float, end_s: float) -> float:
        """How long the machine kept it waiting between two times of `time.monotonic`."""
        return sum(max(0.0, min(end, end_s) - max(begin, begin_s)) for begin, end in self.gaps)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.gaps.append(tuple(json.loads(line)))


class Watch:
    """Samples this process and looks on at the loop. A context manager.

    A tick is missed when the loop comes after its deadline. The loop itself is to blame when its own thread computed
    for a period or more; the machine is when it let that thread, or the outsider, wait for a core for at least half a
    period. What is neither stays unexplained and counts against the loop.

    Args:
        period_s: of a tick.
        outsider: see `Outsider`.
        most_silent_s: the loop is called silent when no tick came for so long.

    Attributes:
        samples: (seconds since the first tick, resident bytes, threads, handles).
        missed: cause -> ticks missed.
        longest_silence_s: between two ticks.
    """

    def __init__(self, period_s: float, outsider: Outsider, most_silent_s: float) -> None:
        self.samples: list[tuple[float, int, int, int]] = []
        self.missed = {"the loop's own work": 0, "unexplained": 0, "the machine": 0}
        self.longest_silence_s = 0.0
        self.silences = 0
        self.events: dict[str, int] = {}
        self._period_s, self._outsider, self._most_silent_s = period_s, outsider, most_silent_s
        self._begin_s: float | None = None
        self._tick_s: float | None = None
        self._spent = (0, 0)
        self._last = (0.0, 0.0, 0.0, 0.0)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._sample_on, name="watch", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(5.0)

    def now_s(self) -> float:
        """Seconds since the first tick; 0 before it."""
        return 0.0 if self._begin_s is None else time.monotonic() - self._begin_s

    def on_tick(self, tick: Any) -> None:
        """Looks at one tick, in the loop's thread."""
        for event in tick.moment.events:
            self.events[event.kind] = self.events.get(event.kind, 0) + 1
            if event.kind == "overrun":  # of the step before this one
                self.missed[self._cause(*self._last)] += int(event.detail.split()[0])
        now_s, spent = time.monotonic(), _spent_ns()
        if self._begin_s is None:
            self._begin_s = now_s
        if self._tick_s is not None:
            silence_s = now_s - self._tick_s
            self.longest_silence_s = max(self.longest_silence_s, silence_s)
            self.silences += silence_s > self._most_silent_s
            ran_s, waited_s = ((new - old) / 1e9 for new, old in zip(spent, self._spent, strict=True))
            self._last = (self._tick_s, now_s, ran_s, waited_s)
        self._tick_s, self._spent = now_s, spent

    def around(self, at_s: float) -> dict[str, float]:
        """Medians over the `WINDOW_S` that end at a time of the session."""
        kept = [sample for sample in self.samples if at_s - WINDOW_S <= sample[0] <= at_s] or self.samples[-1:]
        _, resident, threads, handles = zip(*kept, strict=True)
        return {
            "resident_mb": statistics.median(resident) / 2**20,
            "threads": statistics.median(threads),
            "handles": statistics.median(handles),
        }

    def most(self) -> dict[str, float]:
        """The largest that was seen of each."""
        _, resident, threads, handles = zip(*self.samples, strict=True)
        return {"resident_mb": max(resident) / 2**20, "threads": max(threads), "handles": max(handles)}

    def _cause(self, begin_s: float, end_s: float, ran_s: float, waited_s: float) -> str:
        if ran_s >= self._period_s:
            return "the loop's own work"
        if max(waited_s, self._outsider.late_s(begin_s, end_s)) >= self._period_s / 2:
            return "the machine"
        return "unexplained"

    def _sample_on(self) -> None:
        while not self._ending.wait(SAMPLE_S):
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            threads, handles = (len(os.listdir(f"/proc/self/{kind}")) for kind in ("task", "fd"))
            if self._begin_s is not None:
                self.samples.append((self.now_s(), resident, threads, handles - 1))


def _spent_ns() -> tuple[int, int]:
    """How long this thread ran, and how long it waited for a core, in ns."""
    ran, waited, _ = Path("/proc/thread-self/schedstat").read_text().split()
    return int(ran), int(waited)
