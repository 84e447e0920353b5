"""Instructions: a text that stays the same, or the lines that come through standard input; `speech.py` hears them.

An instruction holds until the next one. "stop" is no instruction: it never reaches the network, but makes the rig send
its safe action until something else is said.
"""

import os
import re
import select
import sys
from typing import IO, Any, Self

from ....perception.errors import ConfigError
from ....perception.spec import Instruction
from ....perception.tokenizer import default_tokenizer
from ..backoff import Backoff
from ..clock import NS_PER_S
from ..reading import Reading
from ..sensor import ThreadedSensor
from ..source import Source, SourceEndedError

STOP_WORDS = frozenset({"stop", "halt"})
"""What makes the agent stop, said alone."""

WAIT_S = 0.1
"""How long one read waits for something new."""

MAX_LINE_BYTES = 4096
"""More without an end of line counts as a line."""

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

    The file descriptor is polled and read past Python's buffers, so that a program never waits for a line to end.

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
        self._has_ended = False

    def open(self) -> None:
        file = self.file or sys.stdin
        try:
            self._descriptor = file.fileno()
        except (AttributeError, OSError, ValueError) as error:
            raise ConfigError("There is no standard input to read instructions from; give a text instead.") from error

    def read(self) -> Reading | None:
        while (line := self._take_line()) is None:
            if self._has_ended and self._number == 0:
                raise SourceEndedError("Standard input has ended without an instruction.")
            if self._has_ended:
                self.clock.sleep_until_ns(self.clock.now_ns() + round(WAIT_S * NS_PER_S))
                return None
            if not self._is_ready():
                return None
            self._receive()
        return self.hear(line, self.clock.now_ns()) if line.strip() else None

    def _is_ready(self) -> bool:
        return bool(select.select([self._descriptor], [], [], WAIT_S)[0])

    def _receive(self) -> None:
        try:
            received = os.read(self._descriptor, MAX_LINE_BYTES)
        except OSError:  # a terminal that was closed
            received = b""
        self._has_ended = not received
        self._bytes += received

    def _take_line(self) -> str | None:
        line, end, rest = self._bytes.partition(b"\n")
        if not end and not (self._has_ended and line) and len(line) < MAX_LINE_BYTES:
            return None
        self._bytes = rest
        return line.decode("utf-8", errors="replace")


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
