"""Pictures and sound in, one file out: H.264 with an AAC track, or a silent WebP that loops (PyAV).

Knows nothing of agents or environments. A shot is one picture and the sound that is heard while it stands. Sound and
picture keep step however long the film is: each shot's sound begins where its picture does, and is cut, or filled with
silence, to end exactly where its picture ends. So a tenth of a second of sound is heard at the begin of a picture that
stands for a third.

c channels, n samples
"""

import dataclasses
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ...envs.rooms.render.canvas import Picture
from ...perception.errors import MissingExtraError
from ...perception.spec import Microphone

FALLBACK_RATE_HZ = 48_000
"""Of the track where the encoder cannot take the microphone's own rate, ALE's 30,720 Hz, say."""
BITS_PER_S = 128_000
FADE_S = 0.005
"""How long a sound takes to begin and to end where there is silence around it."""


@dataclasses.dataclass(frozen=True)
class Shot:
    """One picture, and what is heard meanwhile.

    Args:
        picture: uint8 (height, width, 3), RGB, even height and width.
        sound: float32 (c, n) at the microphone's rate; None is silence.
    """

    picture: Picture
    sound: Float[np.ndarray, "c n"] | None = None


def import_av() -> Any:
    """PyAV.

    Raises:
        MissingExtraError: it cannot be imported.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(f"A video needs PyAV, which could not be imported ({error}); pip install av") from error
    return av


def is_loop(path: Path) -> bool:
    """Whether a file is a moving picture without sound that begins again at its end, as web pages show it."""
    return path.suffix.lower() == ".webp"


def write_film(path: Path, shots: Iterator[Shot], fps: Fraction, microphone: Microphone | None = None) -> None:
    """Encodes shots of one size; the file appears whole or not at all.

    Args:
        path: ends in .mp4, .mkv, .mov or .webp; the last has no sound.
        shots: at least one, or the file is empty.
        fps: pictures a second.
        microphone: what made the sounds; None writes no sound.

    Raises:
        MissingExtraError: av cannot be imported.
        OSError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        if is_loop(path):
            _write_loop(temporary, shots, fps)
        else:
            _write_video(temporary, shots, fps, microphone)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_video(path: Path, shots: Iterator[Shot], fps: Fraction, microphone: Microphone | None) -> None:
    """H.264, or MPEG-4 where that is missing, with sound."""
    av = import_av()
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    with av.open(str(path), "w") as container:
        stream, track = None, None
        for shot in shots:
            if stream is None:
                stream = _picture_stream(container, codec, fps, shot.picture, "yuv420p")
                track = None if microphone is None else _SoundTrack(container, microphone, fps)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shot.picture, format="rgb24")))
            if track is not None:
                track.add(shot.sound)
        if stream is not None:
            container.mux(stream.encode())
        if track is not None:
            track.finish()


def _write_loop(path: Path, shots: Iterator[Shot], fps: Fraction) -> None:
    """Animated WebP without loss: what is drawn has few colours, and texts stay sharp."""
    av = import_av()
    with av.open(str(path), "w", format="webp", options={"loop": "0"}) as container:
        stream = None
        for shot in shots:
            if stream is None:
                stream = _picture_stream(container, "libwebp_anim", fps, shot.picture, "bgra")
                stream.options = {"lossless": "1", "compression_level": "6"}
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shot.picture, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode())


def _picture_stream(container: Any, codec: str, fps: Fraction, picture: Picture, pixels: str) -> Any:
    stream = container.add_stream(codec, rate=fps)
    stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], pixels
    return stream


class _SoundTrack:
    """The AAC stream of a film: one block of sound for each picture. More than two channels become one."""

    def __init__(self, container: Any, microphone: Microphone, fps: Fraction) -> None:
        self._av, self._container = import_av(), container
        self._rate_hz, self._fps = microphone.sample_rate_hz, fps
        self._layout = "stereo" if microphone.channels == 2 else "mono"
        self._channels = 2 if microphone.channels == 2 else 1
        known = self._av.codec.Codec("aac", "w").audio_rates or ()
        rate_hz = self._rate_hz if self._rate_hz in known else FALLBACK_RATE_HZ
        self._stream = container.add_stream("aac", rate=rate_hz, layout=self._layout, bit_rate=BITS_PER_S)
        self._shots, self._samples = 0, 0

    def add(self, sound: Float[np.ndarray, "c n"] | None) -> None:
        """Appends the sound of one shot."""
        self._shots += 1
        end = round(self._shots * self._rate_hz / self._fps)
        block = np.zeros((self._channels, end - self._samples), np.float32)
        if sound is not None:
            heard = sound if len(sound) == self._channels else sound.mean(axis=0, keepdims=True)
            newest = np.nan_to_num(heard[:, -block.shape[1] :]).clip(-1, 1)
            block[:, : newest.shape[1]] = newest * self._fade(newest.shape[1], block.shape[1])
        frame = self._av.AudioFrame.from_ndarray(block, format="fltp", layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate_hz, self._samples, Fraction(1, self._rate_hz)
        self._samples = end
        self._container.mux(self._stream.encode(frame))

    def _fade(self, heard: int, whole: int) -> Float[np.ndarray, " n"]:
        """How loud each sample is: a sound that silence follows begins and ends softly, or it would click."""
        if whole - heard <= 1:  # a step's sound and its picture may be apart by a rounding
            return np.ones(heard, np.float32)
        ends = np.minimum(np.arange(heard) + 1, heard - np.arange(heard)) / max(1, round(FADE_S * self._rate_hz))
        return ends.clip(0, 1).astype(np.float32)

    def finish(self) -> None:
        """Writes what the encoder still holds."""
        self._container.mux(self._stream.encode())
