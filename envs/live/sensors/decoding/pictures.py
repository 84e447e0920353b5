"""The child's cameras: pictures of a file, of a sequence, of an address or a device, as messages for the parent.

A picture of a file says from when to when it is shown, in the file's own time, and how many came before it; the parent
plays it by its clock. One of an address or a device says when it was taken.

h, w height and width of the picture
"""

import contextlib
import os
import re
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....opencv import import_cv2
from .container import Container
from .error import DecodingError
from .frames import fit_frame

SEQUENCE_RATE_HZ = 30.0
"""Images per second of a sequence that nobody gave a rate."""

MAX_CATCH_UP_NS = 50_000_000
"""How long frames that have piled up are skipped before one is given."""

NS_PER_S = 1_000_000_000

Message = tuple[dict[str, Any], bytes]


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


def file_pictures(request: dict[str, Any]) -> Iterator[Message]:
    """The pictures of a video, or of one picture, round after round."""
    av = load_av()
    load_opencv()
    rate_hz, from_ns = request["rate_hz"], request["from_ns"]
    for round_number in _rounds(request):
        container = Container(av, request["source"], "video")
        if round_number == 0:
            yield {"opened": True}, b""
        number, waiting, end_ns = 0, None, 0
        still: bytes | None = None
        for timed in container.frames(from_ns if rate_hz is None else 0):
            at_ns = timed.at_ns if rate_hz is None else round(number * NS_PER_S / rate_hz)
            lasts_ns = timed.lasts_ns if rate_hz is None else round(NS_PER_S / rate_hz)
            number += 1
            if waiting is not None:
                yield from _shown(waiting, at_ns, from_ns)
            waiting = (number - 1, at_ns, _fitted(timed.frame, container.stream, request))
            end_ns = at_ns + max(lasts_ns, 1)
        if waiting is None:
            raise _no_frame(round_number)
        yield from _shown(waiting, end_ns, from_ns)
        still = waiting[2] if number == 1 else None
        length_ns = container.length_ns if rate_hz is None and container.length_ns else end_ns
        container.close()
        yield {"end_ns": end_ns, "length_ns": max(length_ns, 1), "count": number}, b""
        while still is not None and request["loop"]:  # one picture is decoded once, not 25 times a second
            yield from _shown((0, 0, still), end_ns, 0)
            yield {"end_ns": end_ns, "length_ns": max(length_ns, 1), "count": 1}, b""
        from_ns = 0


def sequence_pictures(request: dict[str, Any]) -> Iterator[Message]:
    """The pictures of a numbered sequence, `f_%03d.png`, from the lowest number on, round after round."""
    cv2 = load_opencv()
    pattern, period_ns = request["source"], NS_PER_S / (request["rate_hz"] or SEQUENCE_RATE_HZ)
    numbers = numbers_of(pattern)
    yield {"opened": True}, b""
    for round_number in _rounds(request):
        for k, number in enumerate(numbers):
            at_ns = round((number - numbers[0]) * period_ns)
            after = numbers[k + 1] if k + 1 < len(numbers) else number + 1
            until_ns = round((after - numbers[0]) * period_ns)
            if until_ns <= request["from_ns"] and round_number == 0:
                continue
            picture = cv2.imread(pattern % number, cv2.IMREAD_UNCHANGED)
            if picture is None:
                raise DecodingError(f'"{os.path.basename(pattern % number)}" cannot be decoded', "later")
            content = fit_frame(picture, request["height"], request["width"]).tobytes()
            yield {"at_ns": at_ns, "until_ns": until_ns, "number": number - numbers[0]}, content
        end_ns = round((numbers[-1] + 1 - numbers[0]) * period_ns)
        yield {"end_ns": end_ns, "length_ns": end_ns, "count": len(numbers)}, b""


def numbers_of(pattern: str) -> list[int]:
    """The numbers for which a sequence has a picture, from the lowest.

    Raises:
        DecodingError: it is no pattern, or there is no picture.
    """
    folder, name = os.path.split(pattern)
    parts = re.split(r"%(?:0(\d+))?d", name.replace("%%", "\0"))
    if len(parts) != 3 or "%" in parts[0] + parts[2] or "%" in folder.replace("%%", ""):
        raise DecodingError("It is no file, and no pattern with one number such as f_%03d.png")
    before, digits, after = parts[0].replace("\0", "%"), parts[1], parts[2].replace("\0", "%")
    wanted = re.compile(rf"{re.escape(before)}(\d{{{digits or 1},}}){re.escape(after)}")
    folder = folder.replace("%%", "%") or "."
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = (int(match[1]) for name in names if (match := wanted.fullmatch(name)))
    numbers = sorted(number for number in found if os.path.isfile(pattern % number))
    if not numbers:
        raise DecodingError("No image is found by that name, whatever its number")
    return numbers


def live_pictures(request: dict[str, Any]) -> Iterator[Message]:
    """The newest picture of an address or a device, again and again; those that have piled up are skipped."""
    cv2 = load_opencv()
    capture = _capture(cv2, request)
    own_hz = capture.get(cv2.CAP_PROP_FPS)
    period_ns = round(NS_PER_S / (own_hz if 0.01 <= own_hz <= 1000 else SEQUENCE_RATE_HZ))
    yield {"opened": True}, b""
    number = 0
    while True:
        began_ns = before_ns = time.monotonic_ns()
        while True:
            if not capture.grab():
                raise DecodingError("gives no frames any more", "later")
            captured_ns = time.monotonic_ns()
            number += 1
            was_waiting = captured_ns - before_ns < period_ns * 3 // 10
            if not was_waiting or captured_ns - began_ns > MAX_CATCH_UP_NS:
                break
            before_ns = captured_ns
        is_good, picture = capture.retrieve()
        if not is_good or picture is None:
            raise DecodingError(f"gives a frame, number {number - 1}, that cannot be decoded", "later")
        aspect = _ratio(capture.get(cv2.CAP_PROP_SAR_NUM), capture.get(cv2.CAP_PROP_SAR_DEN))
        content = fit_frame(picture, request["height"], request["width"], pixel_aspect=aspect).tobytes()
        yield {"captured_ns": captured_ns, "number": number - 1}, content


def _capture(cv2: Any, request: dict[str, Any]) -> Any:
    """The opened capture of an address or a device."""
    if request["mode"] == "address":
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, request["open_ms"], cv2.CAP_PROP_READ_TIMEOUT_MSEC]
        capture = cv2.VideoCapture(request["source"], cv2.CAP_FFMPEG, [*limits, request["read_ms"]])
        if not capture.isOpened():
            raise DecodingError("cannot be opened; is the camera on, and the address right?", "later")
        return capture
    backend = cv2.CAP_V4L2 if request["is_v4l"] else cv2.CAP_ANY
    capture = cv2.VideoCapture(request["source"], backend)
    if not capture.isOpened():
        raise DecodingError("is there but cannot be opened; another program may be using it", "later")
    # The code of the format comes first: it decides which sizes and rates there are.
    if request["fourcc"]:
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*request["fourcc"]))
    for name, value in (
        (cv2.CAP_PROP_FRAME_WIDTH, request["frame_width"]),
        (cv2.CAP_PROP_FRAME_HEIGHT, request["frame_height"]),
        (cv2.CAP_PROP_FPS, request["rate_hz"]),
        (cv2.CAP_PROP_BUFFERSIZE, 1),
    ):
        if value is not None:
            capture.set(name, value)
    return capture


def _rounds(request: dict[str, Any]) -> Iterator[int]:
    round_number = 0
    while round_number == 0 or request["loop"]:
        yield round_number
        round_number += 1


def _no_frame(round_number: int) -> DecodingError:
    if round_number == 0:
        return DecodingError("It has no frame that can be read")
    return DecodingError("It could be read once, but not again", "later")


def _shown(waiting: tuple[int, int, bytes], until_ns: int, from_ns: int) -> Iterator[Message]:
    number, at_ns, content = waiting
    if until_ns > from_ns:
        yield {"at_ns": at_ns, "until_ns": until_ns, "number": number}, content


def _fitted(frame: Any, stream: Any, request: dict[str, Any]) -> bytes:
    """A decoded frame as the Spec wants it: upright, with square pixels."""
    picture: NDArray[np.uint8] = frame.to_ndarray(format="bgr24")
    aspect = _ratio(*_sample_aspect(stream))
    turns = round((frame.rotation or 0) / 90) % 4
    if turns:
        picture = np.rot90(picture, turns)
        aspect = 1 / aspect if turns % 2 else aspect
    return fit_frame(picture, request["height"], request["width"], pixel_aspect=aspect).tobytes()


def _sample_aspect(stream: Any) -> tuple[float, float]:
    ratio = stream.sample_aspect_ratio
    return (ratio.numerator, ratio.denominator) if ratio else (1, 1)


def _ratio(numerator: float, denominator: float) -> float:
    """Width of a pixel by its height; 1 where nobody knows, or where it cannot be."""
    ratio = numerator / denominator if denominator else 0.0
    return ratio if 0.05 <= ratio <= 20 else 1.0


def load_av() -> Any:
    """PyAV.

    Raises:
        DecodingError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise DecodingError(
            f"A file needs PyAV, which cannot be imported ({error}); run: pip install av", "missing"
        ) from None
    return av
