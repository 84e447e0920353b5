"""The child's microphone: the sound of a file, packed int16 at the file's own rate, as messages for the parent.

More channels than two are mixed by libswresample, where one or two are wanted, as `ffmpeg -ac` does it.

c channels, n samples
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .container import Container
from .error import DecodingError, reason
from .pictures import load_av

MIN_RATE_HZ, MAX_RATE_HZ = 1000, 768_000
"""Rates beyond these are damage, or malice."""

MAX_CHANNELS = 64

Message = tuple[dict[str, Any], bytes]


def file_sound(request: dict[str, Any]) -> Iterator[Message]:
    """The sound of a file, round after round."""
    av = load_av()
    from_ns, is_open = request["from_ns"], False
    while not is_open or request["loop"]:
        container = Container(av, request["source"], "audio")
        rate_hz, channels = container.stream.rate, container.stream.layout.nb_channels
        if not (MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ and 1 <= channels <= MAX_CHANNELS):
            raise DecodingError(f"Its sound has {channels} channels at {rate_hz} Hz, which cannot be")
        given = request["channels"] if channels > 2 >= request["channels"] else channels
        converter = _Converter(av, rate_hz, channels, given)
        end_ns = count = 0
        for timed in container.frames(from_ns):
            samples = converter.push(timed.frame)
            if not samples:
                continue
            if not is_open:
                is_open = True
                yield _opened(container.stream.layout, rate_hz, converter), b""
            end_ns = timed.at_ns + round(len(samples) // (2 * given) * 1_000_000_000 / rate_hz)
            if end_ns > from_ns:
                yield {"at_ns": timed.at_ns, "until_ns": end_ns, "number": count}, samples
            count += 1
        if count == 0 and is_open:
            raise DecodingError("It could be read once, but not again", "later")
        if count == 0:
            raise DecodingError("It has no sound that can be read")
        yield {"end_ns": end_ns, "length_ns": max(1, container.length_ns or end_ns), "count": count}, b""
        container.close()
        from_ns = 0


def _opened(layout: Any, rate_hz: int, converter: "_Converter") -> dict[str, Any]:
    """What the parent has to know before the first sample."""
    return {
        "opened": True,
        "rate_hz": rate_hz,
        "channels": converter.given,
        "file_channels": converter.channels,
        "layout": "" if layout.name.endswith(" channels") else layout.name,
        "is_cut": converter.is_cut,
    }


class _Converter:
    """Frames of any format to packed int16.

    Args:
        av: the module.
        rate_hz: of the result.
        channels: of the frames.
        given: of the result: as many, or one or two.

    Attributes:
        is_cut: FFmpeg knows no way to mix so many channels; all but the first ones are left out.
    """

    def __init__(self, av: Any, rate_hz: int, channels: int, given: int) -> None:
        self.channels, self.given, self.is_cut = channels, given, False
        self._av, self._rate_hz = av, rate_hz
        self._made_for: Any = None
        self._resampler: Any = None

    def push(self, frame: Any) -> bytes:
        """The samples of a frame, as bytes of int16 (n, c)."""
        made_for = (frame.format.name, frame.layout.name, frame.sample_rate)
        try:
            if made_for != self._made_for:  # it may change in the middle of a stream
                self._made_for = made_for
                self._resampler = self._make(frame)
            try:
                pieces = self._resampler.resample(frame)
            except self._av.FFmpegError:
                if self.is_cut or self.given == self.channels:
                    raise
                self.is_cut = True
                self._resampler = self._make(frame)
                pieces = self._resampler.resample(frame)
        except (self._av.FFmpegError, ValueError) as error:
            raise DecodingError(f"Its sound cannot be converted ({reason(error)})") from None
        if not pieces:
            return b""
        samples = np.concatenate([piece.to_ndarray() for piece in pieces], axis=1)
        return np.ascontiguousarray(
            samples.reshape(-1, self.channels)[:, : self.given] if self.is_cut else samples
        ).tobytes()

    def _make(self, frame: Any) -> Any:
        mixes = self.given != self.channels and not self.is_cut
        layout = ("mono" if self.given == 1 else "stereo") if mixes else frame.layout
        # Packed: PyAV reads planes beyond the eighth from where there are none, and crashes.
        return self._av.AudioResampler(format="s16", layout=layout, rate=self._rate_hz)
