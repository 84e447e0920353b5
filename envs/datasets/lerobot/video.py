"""Pictures as mp4 and back, frame by frame, with PyAV; and how much a lossy video has lost.

h height, w width, n frames
"""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from ..errors import DatasetError

CODECS: dict[str, tuple[str, str, dict[str, str]]] = {
    "lossless": ("libx264rgb", "rgb24", {"qp": "0", "preset": "veryfast"}),
    "small": ("libx264", "yuv420p", {"crf": "18", "preset": "veryfast"}),
}
"""Option -> encoder, its pixels, its options. libx264rgb keeps RGB as it is: H.264 High 4:4:4 Predictive."""

KEYFRAME_EVERY = 10
"""Frames from one that stands alone to the next: what is decoded at most to reach any of them."""


def video_info(video: str) -> dict[str, Any]:
    """What info.json says of videos of that sort."""
    encoder, pixels, _ = CODECS[video]
    return {"video.codec": "h264", "video.pix_fmt": "gbrp" if encoder == "libx264rgb" else pixels}


def encode(path: Path, frames: Sequence[UInt8[np.ndarray, "h w 3"]], fps: int, video: str) -> None:
    """Writes frames as a file, one for each 1 / fps seconds from 0 on.

    Raises:
        DatasetError: the encoder cannot take such pictures, or the disk refuses.
    """
    import av
    from av.error import FFmpegError

    encoder, pixels, options = CODECS[video]
    height, width, _ = frames[0].shape
    if pixels == "yuv420p" and (height % 2 or width % 2):
        pixels = "yuv444p"  # yuv420p has a colour for two by two pixels
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream(encoder, rate=fps, options={**options, "g": str(KEYFRAME_EVERY)})
            stream.width, stream.height, stream.pix_fmt = width, height, pixels
            stream.time_base = Fraction(1, fps)
            for number, content in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(content), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, fps)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except (FFmpegError, OSError) as error:
        raise DatasetError(f"{path.name} could not be encoded ({error!s:.120}); take video=lossless.") from error


def decode(
    path: Path, shape: tuple[int, ...], start_s: float, count: int, fps: float
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """The frames of a file from a moment on.

    Args:
        path: the file.
        shape: of a frame, (h, w, 3).
        start_s: time of the first frame that is wanted, in the file's own time.
        count: how many.
        fps: how many a second has.

    Raises:
        DatasetError: it is damaged, too short, or its pictures are of another size.
    """
    import av
    from av.error import FFmpegError

    damaged = f"{path} is damaged"
    found, margin_s = 0, 0.5 / fps
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DatasetError(f"{path} has no pictures; restore it.")
            stream: Any = container.streams.video[0]
            if (stream.height, stream.width, 3) != shape:
                raise DatasetError(f"{path} has pictures of {stream.height} x {stream.width}, and not of {shape}.")
            stream.thread_type = "NONE"
            if start_s > 0:
                container.seek(max(0, int(start_s / stream.time_base)), stream=stream, backward=True)
            for frame in container.decode(stream):
                if frame.time is None or frame.time < start_s - margin_s:
                    continue
                if abs(frame.time - start_s - found / fps) > margin_s:
                    raise DatasetError(f"{path} lacks the picture at {start_s + found / fps:.3f} s; restore it.")
                yield frame.to_ndarray(format="rgb24")
                found += 1
                if found == count:
                    return
    except (FFmpegError, OSError, ValueError) as error:
        raise DatasetError(f"{damaged} ({error!s:.120}); restore it.") from error
    raise DatasetError(f"{path} ends after {found:,} of {count:,} pictures; restore it.")


def least_psnr_db(path: Path, frames: Sequence[UInt8[np.ndarray, "h w 3"]], fps: int) -> float:
    """How near a video is to its pictures: the peak signal-to-noise ratio of the worst one; infinite without loss.

    Raises:
        DatasetError: it cannot be read back.
    """
    worst = 0.0
    for content, seen in zip(frames, decode(path, frames[0].shape, 0.0, len(frames), fps), strict=True):
        worst = max(worst, float(np.square(content.astype(np.float64) - seen).mean()))
    return math.inf if worst == 0 else 10 * math.log10(255**2 / worst)
