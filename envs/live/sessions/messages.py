"""How readings of each kind are kept in a recording: as their kind packs them, but pictures as PNG, sound once.

So others can show them: Foxglove and Rerun know `foxglove.CompressedImage` and `foxglove.RawAudio`. A kind of a user's
own says itself how it is kept (`Kind.pack`). Times and files are the business of format.py and file.py.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from ....perception.errors import MissingExtraError
from ....perception.spec import ByKind, Camera, Kind, Microphone
from ...opencv import import_cv2
from ..reading import Reading

OfKind = TypeVar("OfKind", bound=Kind)

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
BYTES: dict[str, Any] = {"type": "string", "contentEncoding": "base64"}


class Messages(Generic[OfKind]):
    """Readings of one sense, in order, as messages of plain values, with bytes under "data".

    Args:
        name: the sense.
        kind: its kind.

    Attributes:
        schema: the name of the messages' schema.
        fields: their fields, as JSON schema; None where the kind decides.
        continue_each_other: whether a message can be read only after the one before it.
    """

    schema: ClassVar[str] = "senseweave.Record"
    fields: ClassVar[dict[str, Any] | None] = None
    continue_each_other: ClassVar[bool] = False

    def __init__(self, name: str, kind: OfKind) -> None:
        self.name, self.kind = name, kind

    def pack(self, reading: Reading) -> dict[str, Any]:
        """What is kept of a reading."""
        return self.kind.pack(reading.content)

    def forget(self) -> None:
        """Called where messages are missing before the next one."""

    def unpack(self, message: Mapping[str, Any]) -> NDArray[Any] | None:
        """The content of that reading, bit for bit; None where it continues what is missing.

        Raises:
            KeyError, TypeError, ValueError: the message does not hold what the kind needs.
        """
        return self.kind.unpack(message)


class PictureMessages(Messages[Camera]):
    """Frames as PNG; as they are where there is no OpenCV, and compressed with the chunk."""

    schema = "foxglove.CompressedImage"
    fields = {"frame_id": TEXT, "data": BYTES, "format": TEXT}

    def pack(self, reading: Reading) -> dict[str, Any]:
        png = _to_png(reading.content)
        return super().pack(reading) if png is None else {"frame_id": self.name, "format": "png", "data": png}

    def unpack(self, message: Mapping[str, Any]) -> NDArray[Any] | None:
        if message["format"] != "png":
            return super().unpack(message)
        return _from_png(message["data"], self.kind.shape)


class SoundMessages(Messages[Microphone]):
    """Windows of sound, of which each message holds what is new since the one before it."""

    schema = "foxglove.RawAudio"
    fields = {"data": BYTES, "format": TEXT, "sample_rate": WHOLE, "number_of_channels": WHOLE}
    continue_each_other = True

    _last: Reading | None = None
    _window: NDArray[Any] | None = None

    def pack(self, reading: Reading) -> dict[str, Any]:
        last, self._last = self._last, reading
        samples = self.kind.samples
        new = samples if last is None else reading.number - last.number
        if last is None or not 0 < new < samples:
            return self.kind.pack(reading.content)
        goes_on = last.content[:, new:].tobytes() == reading.content[:, :-new].tobytes()
        return self.kind.pack(reading.content[:, samples - new :] if goes_on else reading.content)

    def forget(self) -> None:
        self._window = np.zeros((self.kind.channels, 0), np.float32)

    def unpack(self, message: Mapping[str, Any]) -> NDArray[Any] | None:
        block = self.kind.unpack(message)
        if block.shape[1] < self.kind.samples:
            if self._window is None:
                raise ValueError("it continues sound that is not there")
            block = np.concatenate([self._window, block], axis=1)[:, -self.kind.samples :]
        self._window = np.ascontiguousarray(block, np.float32)
        return self._window if block.shape[1] >= self.kind.samples else None


MESSAGES: ByKind[type[Messages[Any]]] = ByKind(
    "message", {"Kind": Messages, "Camera": PictureMessages, "Microphone": SoundMessages}
)
"""Kind -> its messages."""


def messages_of(kind: Kind) -> type[Messages[Any]]:
    """How readings of a kind are kept."""
    return MESSAGES.nearest(kind, unless_own="pack") or Messages


def _to_png(frame: NDArray[np.uint8]) -> bytes | None:
    """None where there is no OpenCV."""
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
