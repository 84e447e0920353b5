"""`MicrophoneSource`: the newest window of sound of a device or a file, at the Spec's rate and with its channels.

The sound is taken as the device has it (`portaudio.py`, `feeds.py`), mixed, resampled, and put into a window that ends
at the newest sample; its capture time is that sample's, by count (`sample_clock.py`).

c channels, n samples
"""

from pathlib import Path
from typing import Any, Self

import numpy as np
from jaxtyping import Int16

from .....perception.errors import ConfigError
from .....perception.spec import Microphone
from ...reading import Reading
from ...sensor import ThreadedSensor
from ...source import Source
from .feeds import Block, Feed, FileFeed
from .portaudio import DeviceFeed
from .resample import StreamResampler, mix
from .sample_clock import SampleClock
from .sound_tap import SoundTap

FILE_ENDINGS = frozenset(
    f".{ending}"
    for ending in (
        *("wav", "flac", "mp3", "ogg", "oga", "opus", "m4a", "mka", "aac", "aif", "aiff", "au"),
        *("mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "mpg"),
    )
)
"""Sources that end like this are files, also where there is no such file."""

SILENT_S = 5.0
"""After so many seconds of nothing but zeros a device is probably muted: a real microphone has noise."""

MAX_BLOCKS = 50
"""A read takes no more of what is waiting: some virtual devices deliver as fast as they are asked."""

MAX_DRIFT_PPM = 500.0
"""Sound cards are within 100 millionths of their rate; beyond this something is wrong."""


class MicrophoneSource(Source):
    """Windows of sound, float32 (channels, samples) in -1..1, each ending at the newest sample.

    Args:
        source: "default", a device's index ("2" or 2) or name; or a file with sound (wav, mp4, anything that FFmpeg
            reads), which is played at its own rate.
        kind: channels, samples and rate of the windows. One channel is repeated for several, two are averaged for one;
            more channels of a file are mixed down to one or two as FFmpeg does it, which is a warning.
        loop: a file begins again at its end.
        tap: is given everything that is heard, for speech recognition.
        feed: where the sound comes from, instead of `source`; for tests and for devices of your own.

    Raises:
        ConfigError: `source` is empty.
    """

    kinds = (Microphone,)

    @classmethod
    def at(cls, address: str, kind: Any, *, loop: bool = False, tap: SoundTap | None = None, **_: Any) -> Self:
        """The device or file that `address` names; the tap hears it too."""
        return cls(address, kind, loop=loop, tap=tap)

    def __init__(
        self,
        source: str | int,
        kind: Microphone,
        *,
        loop: bool = False,
        tap: SoundTap | None = None,
        feed: Feed | None = None,
    ) -> None:
        self.source = str(source)
        if not self.source.strip():
            raise ConfigError('A microphone needs a name; give "default", a device or a file.')
        self.kind = kind
        self.tap = tap
        if feed is None:
            is_file = is_sound_file(self.source)
            feed = (
                FileFeed(self.source, loop=loop, channels=kind.channels)
                if is_file
                else DeviceFeed(self.source, kind.channels)
            )
        self.feed = feed
        self._window: Int16[np.ndarray, "c n"] = np.zeros((kind.channels, kind.samples), np.int16)
        self._end = 0
        self._lost = 0
        self._loss_noted_ns: int | None = None
        self._zeros = 0
        self._notes: list[tuple[str, str]] = []

    def open(self) -> None:
        self.feed.open(self.clock)
        rate_hz, channels = self.feed.rate_hz, self.feed.channels
        self._kept = min(channels, self.kind.channels)
        self._resampler = StreamResampler(self._kept, rate_hz, self.kind.sample_rate_hz)
        self._times = SampleClock(rate_hz)
        if self.tap is not None:
            self.tap.begin(rate_hz)
        if channels == 1 < self.kind.channels:
            self._warn(f'"{self.source}" has one channel: every ear hears the same, so that directions are not heard')

        elif channels > self.kind.channels > 1:
            left_out = channels - self.kind.channels
            self._warn(f'"{self.source}" has {channels} channels: the last {left_out} are left out')
        for note in self.feed.notes:
            self._warn(note)

    def read(self) -> Reading | None:
        block = self.feed.read()
        if block is None:
            return None
        heard_ns = self._take(block)
        for _ in range(MAX_BLOCKS if self.feed.is_live else 0):
            if (block := self.feed.read(0.0)) is None:
                break
            heard_ns = self._take(block)
        self._note_troubles()
        if self._resampler.given < self.kind.samples:
            return None
        content = self._window.astype(np.float32) / np.float32(32768)
        return Reading(content, heard_ns - round(self._resampler.held_s * 1e9), self._resampler.given)

    def kill(self) -> bool:
        return self.feed.kill()

    def close(self) -> None:
        self.feed.close()

    def take_notes(self) -> list[tuple[str, str]]:
        notes, self._notes = self._notes, []
        return notes

    @property
    def drift_ppm(self) -> float:
        """How much faster than it claims the device is, in millionths of its rate, as far as is known by now."""
        return self._times.drift_ppm

    def _take(self, block: Block) -> int:
        """Puts a block to the end of the window; returns when its last sample was heard."""
        lost = block.end - block.samples.shape[1] - self._end
        self._end = block.end
        if lost > 0:  # silence stands for it, so that the window's time stays true
            self._lost += lost
            self._push(np.zeros((len(block.samples), min(lost, self.feed.rate_hz)), np.int16))
        if block.has_unknown_loss:
            self._lost += 1
            self._times.restart()
        self._zeros = 0 if block.samples.any() else self._zeros + block.samples.shape[1]
        self._push(block.samples)
        if not self.feed.is_live:
            return block.reported_ns
        return self._times.heard_ns(block.end, block.reported_ns)

    def _push(self, sound: Int16[np.ndarray, "c n"]) -> None:
        if self.tap is not None:
            self.tap.push(sound)
        ready = mix(self._resampler.push(mix(sound, self._kept)), self.kind.channels)[:, -self.kind.samples :]
        if ready.shape[1]:
            self._window = np.concatenate([self._window[:, ready.shape[1] :], ready], axis=1)

    def _note_troubles(self) -> None:
        now_ns = self.clock.now_ns()
        if self._lost and (self._loss_noted_ns is None or now_ns - self._loss_noted_ns > 1e9):
            lost_ms = 1000 * self._lost / self.feed.rate_hz
            self._notes.append(("overflow", f"Sound was lost, {lost_ms:.0f} ms or more; the computer is too busy."))
            self._lost, self._loss_noted_ns = 0, now_ns
        if not self.feed.is_live:
            return
        if self._zeros >= SILENT_S * self.feed.rate_hz:
            self._warn(
                f'"{self.source}" gives nothing but zeros; is it muted, or may this program not use the microphone'
            )
        if self._end > 60 * self.feed.rate_hz and abs(self.drift_ppm) > MAX_DRIFT_PPM:
            self._warn(f'"{self.source}" does not keep its rate of {self.feed.rate_hz} Hz')

    def _warn(self, sentence: str) -> None:
        self._notes.append(("warning", f"{sentence}."))


def microphone_sensor(
    name: str, kind: Microphone, source: str | int, *, max_age_s: float | None = None, **options: Any
) -> ThreadedSensor:
    """A supervised microphone.

    Args:
        name: the sense.
        kind: see `MicrophoneSource`.
        source: see `MicrophoneSource`.
        max_age_s: see `Sensor`.
        **options: those of `MicrophoneSource`.

    Raises:
        ConfigError: see `MicrophoneSource`.
    """
    return ThreadedSensor.of(name, kind, lambda: MicrophoneSource(source, kind, **options), max_age_s=max_age_s)


def is_sound_file(source: str) -> bool:
    """Whether a source is a file, there or not, and no device."""
    return Path(source).suffix.lower() in FILE_ENDINGS or Path(source).is_file()
