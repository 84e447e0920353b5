"""The status line of `senseweave live`: calm, on standard error, written by a thread of its own.

The loop leaves its latest `Glance` here and goes on at once; a terminal that is slow or held with Ctrl-S holds this
thread up and nothing else. On a terminal the line redraws itself in place; in a log file it is a new line now and then.
What happens to the senses is told above it, a line each, but the same thing not twice within a few seconds.
"""

import collections
import dataclasses
import math
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Self, TextIO

from ...envs.live.reading import Event
from ...envs.live.tick import Tick
from ...envs.live.timing import Timing
from ...perception.texts import shown
from ..terminal.progress import MAX_MESSAGE

REDRAW_S = 0.2
"""How often the line is drawn anew on a terminal."""

LOG_EVERY_S = 5.0
"""How often it is written into a log file."""

SAME_AGAIN_S = 5.0
"""The same kind of event of the same sense is told once in so many seconds."""

MAX_WAITING = 200
"""How many events may wait to be told; then the oldest go. All of them are counted, and recorded, elsewhere."""

MAX_INSTRUCTION = 120
"""Characters of an instruction that are shown."""

WHITE = " \t\n\r"
"""What an event's detail may hold, and becomes a space."""

QUIET_KINDS = frozenset({"opened", "dropped", "overflow", "overrun", "resumed"})
"""Kinds that are no line of their own: counts and the status line show them."""


NO_LONGER_LOADING = frozenset({"ready", "failed", "stalled", "ended"})
"""Kinds of events that end what "loading" began."""


@dataclasses.dataclass(frozen=True)
class Glance:
    """What the line shows.

    Attributes:
        tick: the latest.
        loading: senses whose device prepares itself, and senses nothing new until it is ready.
        held: senses whose readings hold until the next one, so that their age says nothing.
        retries: sense -> how often in a row its device was tried in vain.
    """

    tick: Tick
    loading: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    retries: Mapping[str, int] = dataclasses.field(default_factory=dict)


def status_text(glance: Glance, timing: Timing, width: float = math.inf) -> str:
    """The line: what the agent was told, its senses, what it does, and how punctual the loop is.

    "go to the ball" gate 0.75 | audio 31 ms, gate 0.62 | camera absent for 2.1 s | left | 30.0 Hz, jitter 0.1/0.4 ms

    Args:
        glance: what there is to show.
        timing: the loop's.
        width: how many characters fit. Where the line is longer, first jitter and rate go, then the word "gate" and
            the ages, then the end of a long instruction; senses and safety stay.
    """
    for detail in range(MOST_DETAIL, 0, -1):
        line = _line(glance, timing, detail)
        if len(line) <= width:
            return line
    return _line(glance, timing, 0)


MOST_DETAIL = 6
SHORT_INSTRUCTION = 20
"""How many characters of an instruction a narrow terminal shows."""


def _line(glance: Glance, timing: Timing, detail: int) -> str:
    tick, moment = glance.tick, glance.tick.moment
    parts = []
    if moment.instruction:
        parts.append(f'"{shown(moment.instruction, MAX_INSTRUCTION if detail else SHORT_INSTRUCTION)}"')
    for name, age_s in moment.ages_s.items():
        reading = moment.readings.get(name)
        if moment.instruction and reading is not None and reading.text == moment.instruction:
            parts[0] = " ".join([parts[0], *_gate_text(name, glance, detail)])
        else:
            parts.append(_sense_text(name, age_s, glance, detail))
    if tick.is_safe:
        why = f" (safe: {tick.safe_reason.rstrip('.').lower()})" if detail >= 2 else " (safe)"
        parts.append(f"{tick.action_name or 'nothing'}{why}")
    elif tick.action_name:
        parts.append(tick.action_name)
    late = f"{timing.overruns}{' ticks' * (detail > 0)} missed" if timing.overruns else ""
    rate = f"{timing.rate_hz:.1f} Hz" if detail >= 4 else ""
    jitter = f"jitter {timing.p50_ms:.1f}/{timing.p99_ms:.1f} ms" if detail >= 5 else ""
    parts.append(", ".join(part for part in (rate, jitter, late) if part))
    return " | ".join(part for part in parts if part)


def _sense_text(name: str, age_s: float, glance: Glance, detail: int) -> str:
    is_loading = name in glance.loading
    if name in glance.tick.moment.absent:
        if is_loading:
            return f"{name} loading"
        if detail == 0:
            return f"no {name}"
        if retries := glance.retries.get(name, 0):
            return f"{name} absent, attempt {retries + 1}"
        return f"{name} absent" if age_s == math.inf else f"{name} absent for {age_s:.1f} s"
    gate = _gate_text(name, glance, detail)
    age = "" if name in glance.held else f"{1000 * age_s:.0f} ms" if age_s < 1 else f"{age_s:.1f} s"
    shown = [age] * bool(age and (detail >= 3 or not gate)) + gate + ["loading"] * is_loading
    return f"{name} {', '.join(shown) or 'here'}"


def _gate_text(name: str, glance: Glance, detail: int) -> list[str]:
    gates = glance.tick.gates
    if gates is None or name not in gates:
        return []
    return [f"gate {gates[name]:.2f}" if detail >= 6 else f"{gates[name]:.2f}".removeprefix("0")]


def loading_after(loading: frozenset[str], events: Iterable[Event]) -> frozenset[str]:
    """Which senses prepare themselves after some events.

    Args:
        loading: those that did before.
        events: in the order of time.
    """
    for event in events:
        if event.kind == "loading":
            loading |= {event.sense}
        elif event.kind in NO_LONGER_LOADING:
            loading -= {event.sense}
    return loading


def event_text(event: Event) -> str:
    """One event for people, on one line."""
    subject = f"{shown(event.sense)}: " if event.sense else ""
    if event.kind == "instruction":
        return f'{subject}"{shown(event.detail, MAX_INSTRUCTION)}"' if event.detail else f"{subject}none any more."
    return " ".join(f"{subject}{event.kind}. {shown(event.detail, keep=WHITE)}".split())


class StatusLine:
    """Writes the line and the events until it is left. Its methods return at once.

    Args:
        timing: the loop's.
        stream: where to; standard error by default.
        is_terminal: whether the line is drawn in place; None asks the stream.
    """

    def __init__(self, timing: Timing, stream: TextIO | None = None, *, is_terminal: bool | None = None) -> None:
        self._timing, self._stream = timing, stream or sys.stderr
        self._is_terminal = self._stream.isatty() if is_terminal is None else is_terminal
        self._glance: Glance | None = None
        self._waiting: collections.deque[str] = collections.deque(maxlen=MAX_WAITING)
        self._shown_s: dict[tuple[str, str], float] = {}
        self._line = ""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="status-line", daemon=True)

    def show(self, glance: Glance) -> None:
        """Replaces what is shown."""
        self._glance = glance

    def tell(self, message: str) -> None:
        """Has a message written above the line."""
        self._waiting.append(shown(message, MAX_MESSAGE))

    def tell_events(self, events: Iterable[Event]) -> None:
        """Has events written above the line, except those that nobody wants to read again so soon."""
        for event in events:
            key, now_s = (event.sense, event.kind), event.time_ns / 1e9
            if event.kind not in QUIET_KINDS and now_s - self._shown_s.get(key, -math.inf) >= SAME_AGAIN_S:
                self._shown_s[key] = now_s
                self._waiting.append(event_text(event))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(1.0)  # a terminal that is held must not keep the process

    def _write_on(self) -> None:
        logged_s = time.monotonic()
        try:
            while not self._ending.wait(REDRAW_S):
                is_due = self._is_terminal or time.monotonic() - logged_s >= LOG_EVERY_S
                if is_due:
                    logged_s = time.monotonic()
                self._write(with_line=is_due)
            self._write(with_line=self._is_terminal)
            if self._line:
                self._stream.write("\n")
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads any more; the loop does not care
            return

    def _write(self, *, with_line: bool) -> None:
        messages = []
        while self._waiting:
            messages.append(self._waiting.popleft())
        width = shutil.get_terminal_size().columns - 1 if self._is_terminal else math.inf
        line = status_text(self._glance, self._timing, width) if with_line and self._glance is not None else ""
        line = shown(line, None)  # actions and senses may have anybody's names, too
        if not self._is_terminal:
            written = "".join(f"{text}\n" for text in [*messages, line] if text)
        else:
            self._line = line if len(line) <= width else f"{line[: max(0, int(width) - 1)]}…"
            written = "".join(f"\r\x1b[K{text}\n" for text in messages)
            if messages or self._line:
                written += f"\r\x1b[K{self._line}"
        if written:
            self._stream.write(written)
            self._stream.flush()
