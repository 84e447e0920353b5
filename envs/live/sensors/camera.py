"""`CameraSource`: one camera through OpenCV, be it plugged in, in the network, a video file or a sequence of images.

Devices and networks give their newest frame: what has piled up is skipped. Files are played at their own rate by the
clock, so that they look like a camera of that rate; frames that come too late are skipped here too.
"""

import contextlib
import os
import platform
import re
from pathlib import Path
from typing import Any, Self

from ....perception.errors import ConfigError
from ....perception.spec import Camera
from ...opencv import import_cv2
from ..clock import NS_PER_S, to_ns
from ..reading import Reading
from ..sensor import ThreadedSensor
from ..source import Source, SourceEndedError, SourceError
from .files import require_file
from .frames import fit_frame

SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "udp", "tcp", "rtp", "srt")
"""What an address in the network may begin with, before `://`."""

SEQUENCE_RATE_HZ = 30.0
"""Images per second of a sequence that nobody gave a rate."""

FROZEN_S = 5.0
"""After so many seconds of equal frames a device that is plugged in counts as frozen."""

MAX_WAIT_NS = 100_000_000
"""A read of a file waits no longer, so that the sensor can be stopped."""

MAX_CATCH_UP_NS = 50_000_000
"""How long frames that have piled up are skipped in one read."""

MAX_LAG_NS = 2 * NS_PER_S
"""A file that is this late (the computer slept) goes on where it was instead of skipping."""


class CameraSource(Source):
    """Frames of one camera, as the Spec wants them.

    Args:
        source: a device's number ("0" or 0) or path (/dev/video0); an address (`http://`, `rtsp://`, `udp://`, `tcp://`
            and such); a video file; or a sequence of images (`frames/f_%03d.png`).
        kind: height and width of the frames.
        loop: a file begins again at its end.
        rate_hz: frames per second of a file, instead of its own.
        open_timeout_s: how long an address in the network may take to open.
        read_timeout_s: how long the next frame of an address may take.

    Raises:
        ConfigError: an option is out of its range, or an address begins with an unknown scheme.
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
    ) -> None:
        for name, seconds in (("open_timeout_s", open_timeout_s), ("read_timeout_s", read_timeout_s)):
            if not 0.01 <= seconds <= 3600:
                raise ConfigError(f"`{name}` of a camera must be in 0.01..3600 seconds; got {seconds!r}.")
        if rate_hz is not None and not 0.01 <= rate_hz <= 1000:
            raise ConfigError(f"`rate_hz` of a camera must be in 0.01..1000 frames per second; got {rate_hz!r}.")
        self.source = str(source)
        self.kind = kind
        self.loop = loop
        self.rate_hz = rate_hz
        self.is_address = "://" in self.source
        self.is_device = not self.is_address and re.fullmatch(r"\d+|/dev/video\d+", self.source) is not None
        self.unchanged_s = FROZEN_S if self.is_device else None
        if self.is_address and self.source.split("://")[0].lower() not in SCHEMES:
            raise ConfigError(f'A camera\'s address must begin with one of {", ".join(SCHEMES)}; got "{self.source}".')
        self._timeouts_ms = round(open_timeout_s * 1000), round(read_timeout_s * 1000)
        self._capture: Any = None
        self._number = 0
        self._start_ns = 0
        self._period_ns = 1
        self._looked_ns = 0

    def open(self) -> None:
        self._cv2 = load_opencv()
        self._capture = self._make_capture()
        own_hz = self._capture.get(self._cv2.CAP_PROP_FPS)
        if not 0.01 <= own_hz <= 1000 or "%" in self.source:
            own_hz = SEQUENCE_RATE_HZ
        self._period_ns = to_ns(1.0 / (self.rate_hz or own_hz))
        self._start_ns = self.clock.now_ns()

    def read(self) -> Reading | None:
        return self._read_newest() if self.is_address or self.is_device else self._read_due()

    def close(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()

    def _make_capture(self) -> Any:
        cv2 = self._cv2
        if self.is_device:
            return self._open_device()
        if self.is_address:
            open_ms, read_ms = self._timeouts_ms
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, open_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, read_ms]
            capture = cv2.VideoCapture(self.source, cv2.CAP_FFMPEG, limits)
            if not capture.isOpened():
                shown = without_password(self.source)
                raise SourceError(f"{shown} cannot be opened; is the camera on, and the address right?")
            return capture
        return self._open_file()

    def _open_device(self) -> Any:
        cv2 = self._cv2
        number = int(re.sub(r"\D", "", self.source))
        if platform.system() == "Linux":
            require_device(number)
        capture = cv2.VideoCapture(number, cv2.CAP_V4L2 if platform.system() == "Linux" else cv2.CAP_ANY)
        if not capture.isOpened():
            raise SourceError(f"Camera {number} is there but cannot be opened; another program may be using it.")
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return capture

    def _open_file(self) -> Any:
        cv2 = self._cv2
        if "%" in self.source:
            capture = cv2.VideoCapture(os.path.abspath(self.source), cv2.CAP_IMAGES)
            problem = "No image is found by that name"
        else:
            require_file("camera", self.source)
            capture = cv2.VideoCapture(os.path.abspath(self.source), cv2.CAP_FFMPEG)
            problem = "It has no picture that OpenCV can read"
        if not capture.isOpened():
            raise ConfigError(f'The camera\'s file "{self.source}" cannot be played: {problem}.')
        return capture

    def _read_due(self) -> Reading | None:
        """The frame of a file whose time has come."""
        due_ns = self._start_ns + self._number * self._period_ns
        now_ns = self.clock.now_ns()
        if due_ns > now_ns:
            self.clock.sleep_until_ns(min(due_ns, now_ns + MAX_WAIT_NS))
            now_ns = self.clock.now_ns()
            if due_ns > now_ns:
                return None
        if now_ns - due_ns > MAX_LAG_NS:
            self._start_ns += now_ns - due_ns
        newest = (now_ns - self._start_ns) // self._period_ns
        self._grab_of_file()
        while self._number < newest:
            self._number += 1
            self._grab_of_file()
        captured_ns = self._start_ns + self._number * self._period_ns
        self._number += 1
        return self._retrieve(captured_ns, self._number - 1)

    def _grab_of_file(self) -> None:
        if self._capture.grab():
            return
        if self._number == 0:
            raise ConfigError(f'The camera\'s file "{self.source}" has no frame that can be read.')
        if not self.loop:
            raise SourceEndedError(f'"{self.source}" has ended after {self._number} frames.')
        self._capture.release()
        self._capture = self._make_capture()
        if not self._capture.grab():
            raise SourceError(f'"{self.source}" could be read once, but not again.')

    def _read_newest(self) -> Reading | None:
        """The newest frame of a device or an address; older ones that have piled up come at once and are skipped."""
        began_ns = before_ns = self.clock.now_ns()
        self._require_presence(began_ns)
        while True:
            if not self._capture.grab():
                raise SourceError(f"{without_password(self.source)} gives no frames any more.")
            captured_ns = self.clock.now_ns()
            self._number += 1
            was_waiting = captured_ns - before_ns < self._period_ns * 3 // 10
            if not was_waiting or captured_ns - began_ns > MAX_CATCH_UP_NS:
                return self._retrieve(captured_ns, self._number - 1)
            before_ns = captured_ns

    def _require_presence(self, now_ns: int) -> None:
        """An unplugged camera may give its last frame for ever, so its presence is looked at once a second."""
        if self.is_device and platform.system() == "Linux" and now_ns - self._looked_ns > NS_PER_S:
            self._looked_ns = now_ns
            require_device(int(re.sub(r"\D", "", self.source)))

    def _retrieve(self, captured_ns: int, number: int) -> Reading:
        is_good, frame = self._capture.retrieve()
        if not is_good or frame is None:
            raise SourceError(f"Frame {number} of {without_password(self.source)} cannot be decoded.")
        return Reading(fit_frame(frame, self.kind.height, self.kind.width), captured_ns, number)


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


def load_opencv() -> Any:
    """OpenCV, quiet and on one thread.

    Raises:
        MissingExtraError: it, or a system library that it needs, is not installed.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # "quiet"; read once, when the first capture is made
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")  # seconds; 10 by default
    cv2 = import_cv2("A camera")
    cv2.setNumThreads(1)
    with contextlib.suppress(AttributeError):
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2


def camera_devices() -> list[Path]:
    """The cameras that Linux knows, as /dev/video0 and so on."""
    devices = [path for path in Path("/dev").glob("video*") if path.name.removeprefix("video").isdecimal()]
    return sorted(devices, key=lambda path: int(path.name.removeprefix("video")))


def require_device(number: int) -> None:
    """Looks whether camera `number` is plugged in and may be opened, without opening it.

    Raises:
        SourceError: it is not, or may not.
    """
    device = Path(f"/dev/video{number}")
    if not device.exists():
        known = ", ".join(map(str, camera_devices())) or "none"
        raise SourceError(f"There is no camera {number}: {device} is missing (there is: {known}); plug it in.")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(f"{device} may not be opened; run: sudo usermod -aG video $USER, then log in again.")


def without_password(address: str) -> str:
    """An address as it may be shown: what stands before an @ stays secret."""
    return re.sub(r"(?<=://)[^/@]*@", "", address)
