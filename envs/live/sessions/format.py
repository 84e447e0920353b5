"""The messages of a recorded session: readings, ticks and events as JSON, in both directions, without loss.

A recording is an MCAP file. A message holds what messages.py makes of a reading, its capture time and number and, of an
instruction, its text. Which messages exist and how files are cut is not decided here.
"""

import base64
import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....perception.checks import shown
from ....perception.checks.plain_json import parse, seal_of
from ....perception.errors import SenseweaveError
from ....perception.spec import Kind
from ..clock import NS_PER_S
from ..reading import Reading, misfit
from .messages import Messages, messages_of

PROFILE = "senseweave"
"""The MCAP profile of our files."""

FORMAT, VERSION = "senseweave.session", 1
"""What the metadata record `session` says the file is."""

TICKS, EVENTS, SENSES = "/ticks", "/events", "/senses/"
"""Topics; the readings of a sense are in `SENSES + name`."""


class SessionError(SenseweaveError, RuntimeError):
    """A recorded session is missing, damaged before its first tick, or not one of ours."""


def as_json(value: Any) -> bytes:
    """Compact JSON; numpy becomes lists and numbers, what is not finite becomes null, the unknown its text."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False, default=_plain).encode()
    except ValueError:
        return json.dumps(_finite(value), separators=(",", ":"), allow_nan=False, default=str).encode()


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def topics(senses: Iterable[str]) -> list[str]:
    """All topics of a recording in the order in which they are registered, so that the first has the number 1."""
    return [TICKS, EVENTS, *(SENSES + name for name in senses)]


def seal(metadata: Mapping[str, str]) -> str:
    """SHA-256 over the metadata record `session`, as canonical JSON, without the seal itself.

    Raises:
        ValueError: its description is no JSON.
    """
    content = {name: metadata[name] for name in ("format", "version")} | {"session": parse(metadata["session"])}
    return seal_of(content)


def whole_ns(value: Any) -> int:
    """A time in nanoseconds, or a count.

    Raises:
        ValueError: it is none.
    """
    if type(value) is not int or not -(2**62) < value < 2**62:
        raise ValueError(f"{value!r:.40} is no time and no count")
    return value


def schema(kind: Kind | None) -> tuple[str, bytes]:
    """Name and JSON schema of the messages of a kind; None for ticks and events."""
    messages = Messages if kind is None else messages_of(kind)
    if messages.fields is None:
        return messages.schema, as_json({"type": "object"})
    part = {"type": "integer", "minimum": 0}
    timestamp = {"type": "object", "title": "time", "properties": {"sec": part, "nsec": part}}
    return messages.schema, as_json({"type": "object", "properties": {"timestamp": timestamp, **messages.fields}})


class Encoder:
    """Readings of one sense to messages, in order.

    Args:
        name: the sense.
        kind: its kind.
    """

    def __init__(self, name: str, kind: Kind) -> None:
        self._messages = messages_of(kind)(name, kind)

    def encode(self, reading: Reading) -> bytes:
        """One message, from which `Decoder` makes the same reading, bit for bit."""
        packed = self._messages.pack(reading)
        if isinstance(packed.get("data"), bytes):
            packed |= {"data": base64.b64encode(packed["data"]).decode("ascii")}
        since = max(0, reading.captured_ns)
        times = {
            "captured_ns": reading.captured_ns,
            "number": reading.number,
            "timestamp": {"sec": since // NS_PER_S, "nsec": since % NS_PER_S},
        }
        return as_json(packed | times | ({"text": reading.text} if reading.text else {}))


class Decoder:
    """Messages of one sense to readings, in order.

    Args:
        name: the sense.
        kind: its kind.
    """

    def __init__(self, name: str, kind: Kind) -> None:
        self.name, self.kind = name, kind
        self._messages = messages_of(kind)(name, kind)

    def take_in(self, message: dict[str, Any], *, follows: bool = True) -> "Stored | None":
        """Reads one message; what does not continue another stays packed until somebody looks at it.

        Args:
            message: the next one.
            follows: whether none is missing between it and the one before.

        Returns:
            None where it continues what is missing.

        Raises:
            SessionError: it does not hold what the kind needs.
        """
        try:
            captured_ns = whole_ns(message["captured_ns"])
            if not self._messages.continue_each_other:
                return Stored(self, message, captured_ns)
            if not follows:
                self._messages.forget()
            content = self.content(message)
            return None if content is None else Stored(self, message, captured_ns, content)
        except Exception as error:  # whatever a kind of a user's own, or a library, makes of damaged bytes
            raise self.damaged(f"{type(error).__name__}: {error}") from error

    def damaged(self, why: str) -> SessionError:
        """The error for a message that cannot be read."""
        told = shown(why, 100)
        return SessionError(f'A reading of "{self.name}" in the recording is damaged ({told}); record it again.')

    def content(self, message: dict[str, Any]) -> NDArray[Any] | None:
        """What a message holds; None where it continues what is missing."""
        if isinstance(message.get("data"), str):
            message = message | {"data": base64.b64decode(message["data"], validate=True)}
        return self._messages.unpack(message)


@dataclasses.dataclass(frozen=True, eq=False)
class Stored:
    """A reading in a recording.

    Attributes:
        decoder: of its sense.
        message: as it stands in the file.
        captured_ns: see `Reading`.
        unpacked: the content where later messages continue it; everything else is unpacked when `reading` is called.
    """

    decoder: Decoder
    message: dict[str, Any]
    captured_ns: int
    unpacked: NDArray[Any] | None = None

    def reading(self) -> Reading:
        """The reading, as it was captured.

        Raises:
            SessionError: its content is damaged, or not of the kind that the recording promises.
        """
        try:
            content = self.decoder.content(self.message) if self.unpacked is None else self.unpacked
            number, text = whole_ns(self.message["number"]), str(self.message.get("text", ""))
        except Exception as error:  # see `take_in`
            raise self.decoder.damaged(f"{type(error).__name__}: {error}") from error
        fault = "continues what is missing" if content is None else misfit(self.decoder.kind, content)
        if content is None or fault:
            raise self.decoder.damaged(f"it {fault}")
        return Reading(content, self.captured_ns, number, text)
