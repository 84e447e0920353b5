"""Instructions: a text that stays the same, or the lines that come through standard input; `speech.py` hears them.

An instruction holds until the next one. "stop" is no instruction: it never reaches the network, but makes the rig send
its safe action until something else is said.
"""

import collections
import os
import re
import select
import sys
from collections.abc import Iterator
from typing import IO, Any, Self

from .....perception.errors import ConfigError
from .....perception.spec import Instruction
from .....perception.tokenizer import default_tokenizer
from ...backoff import Backoff
from ...clock import NS_PER_S
from ...reading import Reading
from ...sensor import ThreadedSensor
from ...source import Source, SourceEndedError

STOP_WORDS = frozenset({"stop", "halt"})
"""What makes the agent stop, said alone."""

WAIT_S = 0.1
"""How long one read waits for something new."""

MAX_LINE_BYTES = 4096
"""More without an end of line counts as a line."""

MAX_WAITING = 16
"""So many lines wait at most; older ones are overtaken by newer ones."""

MAX_WAITING_BYTES = 1 << 20
"""So much of what waits is looked at in one read; more only comes from a program that floods us."""

NO_DEADLINE = Backoff(stall_s=float("inf"), start_up_s=float("inf"))
"""For senses that speak when they like: silence is no fault."""


def means_stop(text: str) -> bool:
    """Whether a text tells the agent to stop, instead of telling it what to do."""
    return re.sub(r"[\W_]+", "", text).lower() in STOP_WORDS


class InstructionSource(Source):
    """What all sources of instructions share: texts become readings, and "stop" becomes a note.

    Args:
        kind: the tokens' number and vocabulary.

    Raises:
        ConfigError: the vocabulary is not that of the tokenizer that ships with senseweave.
    """

    kinds = (Instruction,)
    backoff = NO_DEADLINE

    def __init__(self, kind: Instruction) -> None:
        if kind.vocab_size != default_tokenizer().vocab_size:
            raise ConfigError(
                f"Texts become tokens of {default_tokenizer().vocab_size} kinds; the policy's instruction has "
                f"{kind.vocab_size}, so it needs a Source of your own."
            )
        self.kind = kind
        self._number = 0
        self._newest_ns = -1
        self._notes: list[tuple[str, str]] = []

    def take_notes(self) -> list[tuple[str, str]]:
        notes, self._notes = self._notes, []
        return notes

    def hear(self, text: str, said_ns: int) -> Reading | None:
        """A text as a reading; None if it means "stop", which is noted.

        Args:
            text: what was said.
            said_ns: when; two texts that come at once are moved apart by a nanosecond.
        """
        text = " ".join(text.split())
        if means_stop(text):
            self._notes.append(("stop", text))
            return None
        tokens, is_cut = default_tokenizer().encode(text, self.kind.max_tokens)
        if is_cut:
            self._notes.append(("warning", f'Only the beginning of "{text}" fits into {self.kind.max_tokens} tokens.'))
        self._newest_ns = max(said_ns, self._newest_ns + 1)
        self._number += 1
        return Reading(tokens, self._newest_ns, self._number - 1, text)


class TextSource(InstructionSource):
    """One instruction, for good.

    Args:
        text: what to do.
        kind: see `InstructionSource`.

    Raises:
        ConfigError: `text` is empty or means "stop".
    """

    def __init__(self, text: str, kind: Instruction) -> None:
        super().__init__(kind)
        if not text.strip() or means_stop(text):
            raise ConfigError(f'`instruction` must say what to do, such as "go to the red ball"; got {text!r}.')
        self.text = text

    def open(self) -> None:
        pass

    def read(self) -> Reading | None:
        if self._number == 0:
            return self.hear(self.text, self.clock.now_ns())
        self.clock.sleep_until_ns(self.clock.now_ns() + round(WAIT_S * NS_PER_S))
        return None


class LinesSource(InstructionSource):
    """Lines of text as they come; after the end of the file the last one holds.

    The file descriptor is polled and read past Python's buffers, so that a program never waits for a line to end. All
    lines that wait are taken together, and "stop" is looked for in all of them: it overtakes what was said before.

    Args:
        kind: see `InstructionSource`.
        file: with a file descriptor; standard input by default.
    """

    @classmethod
    def at(cls, address: str, kind: Any, **_: Any) -> Self:
        """Standard input.

        Raises:
            ConfigError: there is more than "lines:" or "-".
        """
        if address:
            raise ConfigError(f'The source "lines" is standard input and takes no more; got {address!r}. Write "-".')
        return cls(kind)

    def __init__(self, kind: Instruction, file: IO[Any] | None = None) -> None:
        super().__init__(kind)
        self.file = file
        self._bytes = b""
        self._waiting: collections.deque[str] = collections.deque(maxlen=MAX_WAITING)
        self._has_ended = False

    def open(self) -> None:
        file = self.file or sys.stdin
        try:
            self._descriptor = file.fileno()
        except (AttributeError, OSError, ValueError) as error:
            raise ConfigError("There is no standard input to read instructions from; give a text instead.") from error

    def read(self) -> Reading | None:
        if self._has_ended and not self._bytes and not self._waiting:
            if self._number == 0:
                raise SourceEndedError("Standard input has ended without an instruction.")
            self.clock.sleep_until_ns(self.clock.now_ns() + round(WAIT_S * NS_PER_S))
            return None
        if self._is_ready(0.0 if self._waiting else WAIT_S):
            self._receive()
        lines = [line for line in self._take_lines() if line.strip()]
        stops = [number for number, line in enumerate(lines) if means_stop(line)]
        if stops:  # it overtakes what waits; the next read gives what was said after it
            self._waiting.clear()
            self._wait(lines[stops[-1] + 1 :])
            return self.hear(lines[stops[-1]], self.clock.now_ns())
        self._wait(lines)
        return self.hear(self._waiting.popleft(), self.clock.now_ns()) if self._waiting else None

    def _wait(self, lines: list[str]) -> None:
        overtaken = len(self._waiting) + len(lines) - MAX_WAITING
        if overtaken > 0:
            self._notes.append(("dropped", f"{overtaken:,} lines were overtaken by newer ones before they were read."))
        self._waiting.extend(lines)

    def _is_ready(self, timeout_s: float) -> bool:
        return not self._has_ended and bool(select.select([self._descriptor], [], [], timeout_s)[0])

    def _receive(self) -> None:
        """Takes all that is there now, up to a limit."""
        while len(self._bytes) < MAX_WAITING_BYTES and self._is_ready(0.0):
            try:
                received = os.read(self._descriptor, MAX_WAITING_BYTES // 16)
            except OSError:  # a terminal that was closed
                received = b""
            self._has_ended = not received
            self._bytes += received

    def _take_lines(self) -> list[str]:
        """Whole lines, oldest first; what has no end yet stays, unless it is too long or nothing can follow."""
        *lines, rest = self._bytes.split(b"\n")
        if rest and (self._has_ended or len(rest) >= MAX_LINE_BYTES):
            lines.append(rest)
            rest = b""
        self._bytes = rest
        return [piece.decode("utf-8", errors="replace") for line in lines for piece in _pieces(line)]


def _pieces(line: bytes) -> Iterator[bytes]:
    for start in range(0, len(line), 2 * MAX_LINE_BYTES):
        yield line[start : start + 2 * MAX_LINE_BYTES]


def instruction_sensor(name: str, kind: Instruction, address: str | int) -> ThreadedSensor:
    """A supervised source of instructions.

    Args:
        name: the sense.
        kind: see `InstructionSource`.
        address: the text; or "-" for lines of standard input.

    Raises:
        ConfigError: see `TextSource` and `InstructionSource`.
    """
    text = str(address)
    return ThreadedSensor.of(name, kind, lambda: LinesSource(kind) if text == "-" else TextSource(text, kind))
