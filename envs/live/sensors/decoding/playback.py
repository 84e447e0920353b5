"""`Playback`: one stream of a file, played on the file's timeline: what comes, and when it is to be seen or heard.

It joins a timeline that is being played where that is, adds up the rounds of a file that is looped, and knows the end.
"""

import dataclasses
import os
from typing import Any

from .....perception.checks import require_utf8
from ...clock import Clock
from ..files import require_file
from .decoder import Decoder
from .timeline import Timeline, shared_timeline

WAIT_S = 0.1
"""No read waits longer for the decoder."""

PATIENT_S = 30.0
"""Where time stands still meanwhile, on a `VirtualClock`, it may take its time."""

OPEN_S = 30.0
"""How long a file may take to be opened."""


@dataclasses.dataclass(frozen=True)
class Piece:
    """One picture, or some sound.

    Attributes:
        at_ns: from when on it is to be seen or heard, as a position of the timeline, all rounds together.
        until_ns: to when.
        number: how many came before it.
        content: as bytes.
        is_first: of a round, or since it was opened.
    """

    at_ns: int
    until_ns: int
    number: int
    content: bytes
    is_first: bool


class Playback:
    """Plays one stream.

    Args:
        device: what the file stands for: "camera".
        path: the file, or the pattern of a sequence.
        request: see `Decoder`, without "source", "loop" and "from_ns".
        loop: the file begins again at its end.
        is_alone: nobody else shares its time: what is played has a rate of its own.

    Attributes:
        timeline: when what is played is due; shared by everything that plays the same file on the same clock.
        facts: see `Decoder`.
        has_ended: nothing more comes; `end_ns` is the position of the end.
        count: how many pieces a file had when it ended.
    """

    def __init__(
        self, device: str, path: str, request: dict[str, Any], *, loop: bool = False, is_alone: bool = False
    ) -> None:
        self.timeline = Timeline()
        self.facts: dict[str, Any] = {}
        self.has_ended = False
        self.end_ns = self.count = 0
        self._device, self._path, self._request = device, path, request
        self._loop, self._is_alone = loop, is_alone
        self._decoder: Decoder | None = None
        self._round_ns = 0
        self._is_first = True

    def open(self, clock: Clock) -> int:
        """Opens the file.

        Returns:
            The position from which it is played.

        Raises:
            ConfigError: it cannot be.
            SourceError: not now.
        """
        if self._request["mode"] == "sequence":
            require_utf8("The name of a sequence's folder", os.path.abspath(self._path))  # OpenCV crashes on others
        else:
            require_file(self._device, self._path)
        self._wait_s = WAIT_S if clock.passes_by_itself else PATIENT_S
        if not self._is_alone:
            self.timeline = shared_timeline(clock, self._path)
        position_ns, length_ns = self.timeline.begun_ns(clock.now_ns()), self.timeline.length_ns
        if self._loop and length_ns is not None:
            self._round_ns = position_ns // length_ns * length_ns
        where = {"source": os.path.abspath(self._path), "loop": self._loop, "from_ns": position_ns - self._round_ns}
        self._decoder = Decoder(f'The {self._device}\'s file "{self._path}"', self._request | where, OPEN_S)
        self._decoder.open()
        self.facts = self._decoder.facts
        return self.timeline.begin(clock.now_ns())

    def next(self) -> Piece | None:
        """What comes next; None if the decoder is not so far yet, or has come to the end."""
        while not self.has_ended and self._decoder is not None:
            message = self._decoder.receive(self._wait_s)
            if message is None:
                return None
            facts, content = message
            if "end_ns" in facts:
                self._end_round(facts)
                continue
            piece = Piece(
                self._round_ns + facts["at_ns"],
                self._round_ns + facts["until_ns"],
                self.count + facts["number"],
                content,
                self._is_first,
            )
            self._is_first = False
            return piece
        return None

    def kill(self) -> None:
        """Ends the decoder at once; any thread may."""
        if self._decoder is not None:
            self._decoder.kill()

    def close(self) -> None:
        """Ends it; bears to be called after an `open` that failed."""
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()

    def _end_round(self, facts: dict[str, Any]) -> None:
        self.end_ns = self._round_ns + facts["end_ns"]
        self.count += facts["count"]
        self.has_ended = not self._loop
        self._round_ns += self.timeline.settle_length(facts["length_ns"])
        self._is_first = True
