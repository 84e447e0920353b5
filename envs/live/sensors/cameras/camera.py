"""`CameraSource`: one camera, be it plugged in, in the network, a video file or a sequence of images.

A child process decodes (`decoding/`): a library that crashes, hangs or wants too much memory is one lost sense. Devices
and networks give their newest frame: what has piled up is skipped. Files are played by the clock, each frame at the
time that its file says, together with the sound of the same file; frames that come too late are skipped here too.
"""

import os
import platform
import re
import time
from typing import Any, Self

import numpy as np

from .....perception.checks import require_utf8
from .....perception.errors import ConfigError
from .....perception.spec import Camera
from ...clock import NS_PER_S
from ...reading import Reading
from ...sensor import ThreadedSensor
from ...source import Source, SourceEndedError, SourceError
from ..decoding.decoder import Decoder
from ..decoding.playback import WAIT_S, Piece, Playback
from .devices import device_path, is_camera_device, require_device

SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "udp", "tcp", "rtp", "srt")
"""What an address in the network may begin with, before `://`."""

FROZEN_S = 5.0
"""After so many seconds of equal frames a device that is plugged in counts as frozen."""

MAX_WAIT_NS = 100_000_000
"""A read of a file waits no longer, so that the sensor can be stopped."""

HELD_NS = 200_000_000
"""A frame that its file shows for long is given again so often: what it shows is still there."""

MAX_SILENCE_NS = NS_PER_S
"""Frames that come too late are skipped, but one is given at least so often."""

DEVICE_OPEN_S = 15.0
"""How long a device may take to open."""


class CameraSource(Source):
    """Frames of one camera, as the Spec wants them.

    Args:
        source: a device's number ("0" or 0) or path (/dev/video0, /dev/v4l/by-id/..., a link to one); an address
            (`http://`, `rtsp://`, `udp://`, `tcp://` and such); a video file or a picture; or a sequence of images
            (`frames/f_%03d.png`), from the lowest number that is there.
        kind: height and width of the frames.
        loop: a file begins again at its end.
        rate_hz: frames per second: of a file, instead of its own times; of a device, what it is asked for.
        open_timeout_s: how long an address in the network may take to open.
        read_timeout_s: how long the next frame of an address may take.
        frame_width: of a device, in pixels, what it is asked for; it may choose something near.
        frame_height: the same.
        fourcc: of a device, the format that it is asked for, four letters: "MJPG", say, for several cameras on one USB.

    Raises:
        ConfigError: an option is out of its range, an address begins with an unknown scheme, or a name is no UTF-8.
    """

    kinds = (Camera,)

    @classmethod
    def at(cls, address: str, kind: Any, *, loop: bool = False, **_: Any) -> Self:
        """The camera, file or stream that `address` names."""
        return cls(address, kind, loop=loop)

    def __init__(
        self,
        source: str | int,
        kind: Camera,
        *,
        loop: bool = False,
        rate_hz: float | None = None,
        open_timeout_s: float = 10.0,
        read_timeout_s: float = 2.0,
        frame_width: int | None = None,
        frame_height: int | None = None,
        fourcc: str | None = None,
    ) -> None:
        for name, seconds in (("open_timeout_s", open_timeout_s), ("read_timeout_s", read_timeout_s)):
            if not 0.01 <= seconds <= 3600:
                raise ConfigError(f"`{name}` of a camera must be in 0.01..3600 seconds; got {seconds!r}.")
        if rate_hz is not None and not 0.01 <= rate_hz <= 1000:
            raise ConfigError(f"`rate_hz` of a camera must be in 0.01..1000 frames per second; got {rate_hz!r}.")
        for name, pixels in (("frame_width", frame_width), ("frame_height", frame_height)):
            if pixels is not None and not 1 <= pixels <= 16384:
                raise ConfigError(f"`{name}` of a camera must be in 1..16384 pixels; got {pixels!r}.")
        if fourcc is not None and not re.fullmatch(r"[ -~]{4}", fourcc):
            raise ConfigError(f'`fourcc` of a camera must be four letters, such as "MJPG"; got {fourcc!r}.')
        self.source = str(source)
        require_utf8("The camera's name", self.source)
        self.kind = kind
        self.loop = loop
        self.rate_hz = rate_hz
        self.is_address = "://" in self.source
        self.is_device = not self.is_address and is_camera_device(self.source)
        self.unchanged_s = FROZEN_S if self.is_device else None
        if self.is_address and self.source.split("://")[0].lower() not in SCHEMES:
            raise ConfigError(f'A camera\'s address must begin with one of {", ".join(SCHEMES)}; got "{self.source}".')
        self._open_s = open_timeout_s
        self._request: dict[str, Any] = {
            "height": kind.height,
            "width": kind.width,
            "rate_hz": rate_hz,
            "open_ms": round(open_timeout_s * 1000),
            "read_ms": round(read_timeout_s * 1000),
            "frame_width": frame_width,
            "frame_height": frame_height,
            "fourcc": fourcc,
            "is_v4l": platform.system() == "Linux",
        }
        self._decoder: Decoder | None = None
        self._playback: Playback | None = None
        self._shown: Piece | None = None
        self._next: Piece | None = None
        self._given_ns = 0
        self._looked_ns = 0

    def open(self) -> None:
        if self.is_device:
            self._open_live("device", f"Camera {self.source}", DEVICE_OPEN_S)
        elif self.is_address:
            self._open_live("address", without_password(self.source), self._open_s)
        else:
            # What is there is that file, whatever its name looks like.
            is_sequence = "%" in self.source and not os.path.exists(self.source)
            request = self._request | {"mode": "sequence" if is_sequence else "pictures"}
            is_alone = is_sequence or self.rate_hz is not None
            self._playback = Playback("camera", self.source, request, loop=self.loop, is_alone=is_alone)
            self._playback.open(self.clock)

    def read(self) -> Reading | None:
        return self._read_newest() if self._playback is None else self._read_due(self._playback)

    def kill(self) -> bool:
        for child in (self._decoder, self._playback):
            if child is not None:
                child.kill()
        return True

    def close(self) -> None:
        for child in (self._decoder, self._playback):
            if child is not None:
                child.close()
        self._decoder = self._playback = None

    def _open_live(self, mode: str, subject: str, open_s: float) -> None:
        source: str | int = self.source
        if self.is_device and platform.system() == "Linux":
            require_device(self.source)
            source = device_path(self.source)
        elif self.is_device:
            source = int(self.source)
        self._decoder = Decoder(subject, self._request | {"mode": mode, "source": source}, open_s)
        self._decoder.open()

    def _read_due(self, playback: Playback) -> Reading | None:
        """The frame of a file whose time has come, or one that is shown for long, again."""
        timeline = playback.timeline
        position_ns = timeline.position_ns(self.clock.now_ns())
        if self._next is None:
            self._next = playback.next()
        due_ns = self._due_ns(playback, position_ns)
        if due_ns is None:
            return None
        if due_ns > position_ns:
            self.clock.sleep_until_ns(timeline.time_ns(min(due_ns, position_ns + MAX_WAIT_NS)))
            position_ns = timeline.position_ns(self.clock.now_ns())
            if due_ns > position_ns:
                return None
        if self._next is None and playback.has_ended and position_ns >= playback.end_ns:
            raise SourceEndedError(f'"{self.source}" has ended after {playback.count} frames.')
        return self._newest_due(playback, position_ns)

    def _due_ns(self, playback: Playback, position_ns: int) -> int | None:
        """The position at which there is something to do next; None if nobody knows yet."""
        if self._next is None and not playback.has_ended:
            return None
        due_ns = playback.end_ns if self._next is None else self._next.at_ns
        return due_ns if self._shown is None else min(due_ns, self._given_ns + HELD_NS)

    def _newest_due(self, playback: Playback, position_ns: int) -> Reading | None:
        shown = self._shown
        while self._next is not None and self._next.at_ns <= position_ns:
            shown, self._next = self._next, None
            if shown.until_ns > position_ns or position_ns - self._given_ns > MAX_SILENCE_NS:
                break
            self._next = playback.next()
        if shown is None:
            return None
        is_new = shown is not self._shown
        self._shown = shown
        captured_ns = shown.at_ns if is_new else position_ns
        if captured_ns <= self._given_ns and not is_new:
            return None
        self._given_ns = captured_ns
        return self._reading(shown.content, playback.timeline.time_ns(captured_ns), shown.number)

    def _read_newest(self) -> Reading | None:
        """The newest frame of a device or an address."""
        if self._decoder is None:
            raise SourceError("The camera is not open.")
        self._require_presence()
        message = self._decoder.receive(WAIT_S)
        while message is not None and (newer := self._decoder.receive(0.0)) is not None:
            message = newer
        if message is None:
            return None
        facts, content = message
        now_ns = self.clock.now_ns()
        # Processes of one machine share its monotonic clock.
        age_ns = max(0, time.monotonic_ns() - facts["captured_ns"]) if self.clock.passes_by_itself else 0
        return self._reading(content, now_ns - age_ns, facts["number"])

    def _reading(self, content: bytes, captured_ns: int, number: int) -> Reading:
        frame = np.frombuffer(content, np.uint8).reshape(self.kind.height, self.kind.width, 3)
        return Reading(frame, captured_ns, number)

    def _require_presence(self) -> None:
        """An unplugged camera may give its last frame for ever, so its presence is looked at once a second."""
        now_ns = self.clock.now_ns()
        if self.is_device and platform.system() == "Linux" and now_ns - self._looked_ns > NS_PER_S:
            self._looked_ns = now_ns
            require_device(self.source)


def camera_sensor(
    name: str, kind: Camera, source: str | int, *, max_age_s: float | None = None, **options: Any
) -> ThreadedSensor:
    """A supervised camera.

    A device that is plugged in counts as frozen when its frames are the same, bit for bit, for 5 s: a real sensor has
    noise. Files, and networks that code what stands still as "the same again", may stand still.

    Args:
        name: the sense.
        kind: see `CameraSource`.
        source: see `CameraSource`.
        max_age_s: see `Sensor`.
        **options: those of `CameraSource`.

    Raises:
        ConfigError: see `CameraSource`.
    """
    return ThreadedSensor.of(name, kind, lambda: CameraSource(source, kind, **options), max_age_s=max_age_s)


def without_password(address: str) -> str:
    """An address as it may be shown: what stands before an @ stays secret."""
    return re.sub(r"(?<=://)[^/@]*@", "", address)
