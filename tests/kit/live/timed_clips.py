"""Clips whose moments are known, made by PyAV, and what is seen and heard of them.

`write_timed` takes each frame's time and brightness, and sound with a place of its own; `watch` plays a clip by hand on
a `VirtualClock`, picture and sound together.
"""

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from senseweave.envs.live.clock import NS_PER_S, VirtualClock
from senseweave.envs.live.sensors.cameras.camera import CameraSource
from senseweave.envs.live.sensors.microphones.microphone import MicrophoneSource
from senseweave.perception.spec import Camera, Microphone

SOUND_HZ = 16000
SIZE = (48, 64)


def write_timed(
    path: Path,
    frames: Sequence[tuple[float, int]],
    *,
    sound: np.ndarray | None = None,
    sound_at_s: float = 0.0,
    layout: str = "mono",
    pixels: Any = None,
    pixel_aspect: Fraction | None = None,
) -> Path:
    """A clip of grey frames, (second, brightness) each, and of sound, int16 (c, n), that begins at `sound_at_s`."""
    is_webm = path.suffix == ".webm"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("vp8" if is_webm else "mpeg4", rate=20)
        picture.height, picture.width = SIZE if pixels is None else pixels.shape[:2]
        picture.pix_fmt, picture.bit_rate = "yuv420p", 4_000_000
        picture.codec_context.time_base = picture.time_base = Fraction(1, 1000)
        if pixel_aspect is not None:
            picture.codec_context.sample_aspect_ratio = pixel_aspect
        codec = {".webm": "libopus", ".mp4": "aac"}.get(path.suffix, "pcm_s16le")
        voice = None if sound is None else container.add_stream(codec, rate=SOUND_HZ, layout=layout)
        for at_s, brightness in frames:
            content = np.full((*SIZE, 3), brightness, np.uint8) if pixels is None else pixels
            frame = av.VideoFrame.from_ndarray(content, format="bgr24")
            frame.pts, frame.time_base = round(at_s * 1000), Fraction(1, 1000)
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        if voice is not None and sound is not None:
            _write_sound(container, voice, sound, sound_at_s, layout)
    return path


def write_sound(path: Path, sound: np.ndarray, layout: str, codec: str = "pcm_s16le") -> Path:
    """A file of nothing but sound, int16 (c, n), whose channels are where `layout` says."""
    with av.open(str(path), "w") as container:
        _write_sound(container, container.add_stream(codec, rate=SOUND_HZ, layout=layout), sound, 0.0, layout)
    return path


def _write_sound(container: Any, stream: Any, sound: np.ndarray, at_s: float, layout: str) -> None:
    begin = round(at_s * SOUND_HZ)
    to_format = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=SOUND_HZ)
    for start in range(0, sound.shape[1], 960):
        packed = np.ascontiguousarray(sound[:, start : start + 960].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = SOUND_HZ, begin + start, Fraction(1, SOUND_HZ)
        for piece in to_format.resample(frame):
            for packet in stream.encode(piece):
                container.mux(packet)
    for packet in stream.encode(None):
        container.mux(packet)


def beep(seconds: float, at_s: float, lasts_s: float = 0.06) -> np.ndarray:
    """Silence with a tone of 1 kHz in it, int16 (1, n)."""
    times = np.arange(round(seconds * SOUND_HZ)) / SOUND_HZ
    is_on = (times >= at_s) & (times < at_s + lasts_s)
    return np.round(20000 * np.cos(2 * np.pi * 1000 * times) * is_on).astype(np.int16)[None]


@dataclasses.dataclass
class Watched:
    """What was seen and heard.

    Attributes:
        frames: (second, brightness) of each reading of the camera, in order.
        sound: float32 (n,), from the first sample that was heard.
        sound_at_s: when that was.
        events: what the sources noted.
    """

    frames: list[tuple[float, float]]
    sound: np.ndarray
    sound_at_s: float
    notes: list[tuple[str, str]]

    def flashes(self, limit: float = 200.0) -> list[float]:
        """The seconds at which the picture became bright."""
        before, found = 0.0, []
        for at_s, brightness in self.frames:
            if brightness > limit >= before:
                found.append(at_s)
            before = brightness
        return found

    def beeps(self, limit: float = 0.2) -> list[float]:
        """The seconds at which a tone began after silence."""
        loud = np.flatnonzero(np.abs(self.sound) > limit)
        first = loud[np.diff(loud, prepend=-SOUND_HZ) > SOUND_HZ // 10]
        return (self.sound_at_s + first / SOUND_HZ).tolist()


def watch(path: Path, seconds: float, *, loop: bool = True, microphone: Path | None = None) -> Watched:
    """Plays a clip as camera and microphone on one clock."""
    clock = VirtualClock()
    camera = CameraSource(str(path), Camera(16, 16), loop=loop)
    ear = MicrophoneSource(str(microphone or path), Microphone(1, 4000, SOUND_HZ), loop=loop)
    for source in (camera, ear):
        source.clock = clock
        source.open()
    frames, pieces, heard, first_s, notes = [], [], 0, 0.0, []
    while clock.now_ns() < seconds * NS_PER_S:
        seen = camera.read()
        if seen is not None:
            frames.append((seen.captured_ns / NS_PER_S, float(seen.content.mean())))
        reading = ear.read()
        notes += ear.take_notes()
        if reading is not None:
            new = min(reading.number - heard, 4000)
            pieces.append(reading.content[0, 4000 - new :])
            heard = reading.number
            first_s = reading.captured_ns / NS_PER_S - sum(map(len, pieces)) / SOUND_HZ
    camera.close()
    ear.close()
    return Watched(frames, np.concatenate(pieces), first_s, notes)
