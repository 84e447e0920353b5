"""The messages of a recorded session: readings, ticks and events as JSON, in both directions, without loss.

A recording is an MCAP file. Pictures are PNG in `foxglove.CompressedImage`, sound is 16-bit PCM in `foxglove.RawAudio`
(so that Foxglove and Rerun show them), everything else is plain. Overlapping windows of sound are stored once: each
message holds what is new since the one before it. Which messages exist and how files are cut is not decided here.
"""

import base64
import dataclasses
import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....perception.errors import MissingExtraError, SenseweaveError
from ....perception.spec import Camera, Instruction, Kind, Microphone
from ...opencv import import_cv2
from ..clock import NS_PER_S
from ..reading import Reading, misfit

PROFILE = "senseweave"
"""The MCAP profile of our files."""

FORMAT, VERSION = "senseweave.session", 1
"""What the metadata record `session` says the file is."""

TICKS, EVENTS, SENSES = "/ticks", "/events", "/senses/"
"""Topics; the readings of a sense are in `SENSES + name`."""

FULL_SCALE = 2**15
"""16-bit PCM: sound is whole multiples of 1 / 32768."""


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


def schema(kind: Kind | None) -> tuple[str, bytes]:
    """Name and JSON schema of the messages of a kind; None for ticks and events."""
    if isinstance(kind, Camera):
        return "foxglove.CompressedImage", _object(frame_id=_TEXT, data=_BYTES, format=_TEXT)
    if isinstance(kind, Microphone):
        whole: dict[str, Any] = {"type": "integer"}
        return "foxglove.RawAudio", _object(data=_BYTES, format=_TEXT, sample_rate=whole, number_of_channels=whole)
    return "senseweave.Record", b'{"type":"object"}'


_TEXT: dict[str, Any] = {"type": "string"}
_BYTES: dict[str, Any] = {"type": "string", "contentEncoding": "base64"}


def _object(**properties: dict[str, Any]) -> bytes:
    part = {"type": "integer", "minimum": 0}
    timestamp = {"type": "object", "title": "time", "properties": {"sec": part, "nsec": part}}
    return as_json({"type": "object", "properties": {"timestamp": timestamp, **properties}})


@dataclasses.dataclass
class Encoder:
    """Readings of one sense to messages, in order.

    Args:
        name: the sense.
        kind: its kind.
    """

    name: str
    kind: Kind
    _last: Reading | None = None

    def encode(self, reading: Reading) -> bytes:
        """One message, from which `Decoder` makes the same reading, bit for bit."""
        times = {"captured_ns": reading.captured_ns, "number": reading.number}
        since = max(0, reading.captured_ns)
        times |= {"timestamp": {"sec": since // NS_PER_S, "nsec": since % NS_PER_S}}
        told = {"text": reading.text} if reading.text else {}
        return as_json(self._content(reading) | times | told)

    def _content(self, reading: Reading) -> dict[str, Any]:
        if isinstance(self.kind, Camera) and (png := _to_png(reading.content)) is not None:
            return {"frame_id": self.name, "format": "png", "data": _to_text(png)}
        if isinstance(self.kind, Microphone):
            return self._sound(self.kind, reading)
        if isinstance(self.kind, Instruction):
            return {"tokens": np.trim_zeros(reading.content, "b")}
        return {"data": _to_text(reading.content.tobytes()), "format": reading.content.dtype.str}

    def _sound(self, kind: Microphone, reading: Reading) -> dict[str, Any]:
        last, self._last = self._last, reading
        new = kind.samples if last is None else reading.number - last.number
        if last is not None and 0 < new < kind.samples:
            before, now = last.content[:, new:], reading.content[:, :-new]
            new = new if before.tobytes() == now.tobytes() else kind.samples
        else:
            new = kind.samples
        block = np.ascontiguousarray(reading.content[:, kind.samples - new :].T)
        told: dict[str, Any] = {"sample_rate": kind.sample_rate_hz, "number_of_channels": kind.channels}
        pcm = (block * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype("<i2")
        if (pcm.astype(np.float32) / FULL_SCALE).tobytes() == block.tobytes():
            return told | {"format": "pcm-s16", "data": _to_text(pcm.tobytes())}
        return told | {"format": "pcm-f32", "data": _to_text(block.astype("<f4").tobytes())}


@dataclasses.dataclass
class Decoder:
    """Messages of one sense to readings, in order.

    Args:
        name: the sense.
        kind: its kind.
    """

    name: str
    kind: Kind
    _window: NDArray[np.float32] | None = None

    def take_in(self, message: dict[str, Any]) -> "Stored":
        """Reads one message; pictures stay compressed until somebody looks at them.

        Raises:
            SessionError: it does not hold what the kind needs.
        """
        try:
            window = self._sound(self.kind, message) if isinstance(self.kind, Microphone) else None
            return Stored(self, message, int(message["captured_ns"]), window)
        except (KeyError, TypeError, ValueError) as error:
            raise self.damaged(f"{type(error).__name__}: {error}") from error

    def damaged(self, why: str) -> SessionError:
        """The error for a message that cannot be read."""
        return SessionError(f'A reading of "{self.name}" in the recording is damaged ({why}); record it again.')

    def content(self, message: dict[str, Any]) -> NDArray[Any]:
        """What a message of anything but sound holds."""
        if isinstance(self.kind, Instruction):
            tokens = np.asarray(message["tokens"], np.int32)
            return np.pad(tokens, (0, self.kind.max_tokens - len(tokens)))
        data = base64.b64decode(message["data"])
        if message["format"] == "png":
            return _from_png(data, self.kind.shape)
        return np.frombuffer(data, np.dtype(self.kind.dtype)).reshape(self.kind.shape)

    def _sound(self, kind: Microphone, message: dict[str, Any]) -> NDArray[np.float32]:
        data = base64.b64decode(message["data"])
        if message["format"] == "pcm-s16":
            block = np.frombuffer(data, "<i2").astype(np.float32) / FULL_SCALE
        else:
            block = np.frombuffer(data, "<f4").astype(np.float32)
        block = block.reshape(-1, kind.channels).T
        if block.shape[1] < kind.samples:
            if self._window is None:
                raise ValueError("it continues sound that is not there")
            block = np.concatenate([self._window[:, block.shape[1] :], block], axis=1)
        self._window = window = np.ascontiguousarray(block, np.float32)
        return window


@dataclasses.dataclass(frozen=True, eq=False)
class Stored:
    """A reading in a recording.

    Attributes:
        decoder: of its sense.
        message: as it stands in the file.
        captured_ns: see `Reading`.
        window: of sound; everything else is decoded when `reading` is called.
    """

    decoder: Decoder
    message: dict[str, Any]
    captured_ns: int
    window: NDArray[np.float32] | None = None

    def reading(self) -> Reading:
        """The reading, as it was captured.

        Raises:
            SessionError: its content is damaged, or not of the kind that the recording promises.
        """
        try:
            content = self.decoder.content(self.message) if self.window is None else self.window
            number, text = int(self.message["number"]), str(self.message.get("text", ""))
        except (KeyError, TypeError, ValueError) as error:
            raise self.decoder.damaged(f"{type(error).__name__}: {error}") from error
        if fault := misfit(self.decoder.kind, content):
            raise self.decoder.damaged(f"it {fault}")
        return Reading(content, self.captured_ns, number, text)


def _to_text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _to_png(frame: NDArray[np.uint8]) -> bytes | None:
    """None where there is no OpenCV; the frame is then stored as it is, and compressed with the chunk."""
    try:
        cv2 = import_cv2("A picture")
    except MissingExtraError:
        return None
    done, data = cv2.imencode(".png", frame[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return data.tobytes() if done else None


def _from_png(data: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    cv2 = import_cv2("A recording with pictures")
    size = int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big")
    if size != shape[:2]:  # before a small file becomes a huge picture
        raise ValueError(f"a picture of {size[0]} x {size[1]} pixels")
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("no picture")
    return np.ascontiguousarray(picture[..., ::-1], np.uint8)
