"""Clips, and sensors driven by hand, for the tests of live cameras and microphones.

Frame n of a clip is grey of brightness 8 n; its sound is a sine of 440 Hz.
"""

import time
from pathlib import Path

import av
import numpy as np
import pytest

from kit.limits import HANG_S
from senseweave.envs.live.clock import SystemClock, VirtualClock
from senseweave.envs.live.reading import Reading
from senseweave.envs.live.source import Source

RATE_HZ = 20
SOUND_HZ = 22050


def sine(hz: float, samples: int, rate_hz: int, peak: int = 10000) -> np.ndarray:
    """A sine from phase 0, int16 (samples,)."""
    return np.round(peak * np.sin(2 * np.pi * hz * np.arange(samples) / rate_hz)).astype(np.int16)


def write_clip(path: Path, frames: int = 20, height: int = 48, width: int = 64, with_sound: bool = True) -> Path:
    """A video of frames that get brighter, 20 a second, as lossless as its container has it, and a sine."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("ffv1" if path.suffix in (".avi", ".mkv") else "mpeg4", rate=RATE_HZ)
        picture.width, picture.height = width, height
        picture.pix_fmt = "yuv420p" if picture.codec_context.name == "mpeg4" else "bgr0"
        codec = "aac" if path.suffix == ".mp4" else "pcm_s16le"
        sound = container.add_stream(codec, rate=SOUND_HZ, layout="mono") if with_sound else None
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), 8 * number, np.uint8), format="bgr24")
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if sound is not None:
            samples = sine(440, SOUND_HZ * frames // RATE_HZ, SOUND_HZ)
            for start in range(0, len(samples), 1024):
                piece = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="s16", layout="mono")
                piece.sample_rate, piece.pts = SOUND_HZ, start
                container.mux(sound.encode(piece))
            container.mux(sound.encode(None))
    return path


def opened(source: Source, clock: SystemClock | VirtualClock | None = None) -> Source:
    """The source, with a clock of its own, opened."""
    source.clock = clock or VirtualClock()
    source.open()
    return source


def next_reading(source: Source, timeout_s: float = HANG_S) -> Reading:
    """The next reading, however often the source says that there is nothing new yet."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if (reading := source.read()) is not None:
            return reading
    raise TimeoutError(f"no reading within {timeout_s} s")


def require_portaudio() -> None:
    """Skips the test where PortAudio is not installed."""
    try:
        import sounddevice  # noqa: F401
    except OSError:
        pytest.skip("PortAudio is missing: apt-get install -y libportaudio2")
