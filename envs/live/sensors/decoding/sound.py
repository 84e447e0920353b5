"""The child's microphone: the sound of a file, packed int16 at the file's own rate, as messages for the parent.

More channels than two are mixed by libswresample, where one or two are wanted, as `ffmpeg -ac` does it.

c channels, n samples
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .container import Container
from .pictures import load_av
from .problem import Problem, reason

MIN_RATE_HZ, MAX_RATE_HZ = 1000, 768_000
"""Rates beyond these are damage, or malice."""

MAX_CHANNELS = 64

Message = tuple[dict[str, Any], bytes]


def file_sound(request: dict[str, Any]) -> Iterator[Message]:
    """The sound of a file, round after round."""
    av = load_av()
    from_ns, round_number = request["from_ns"], 0
    while round_number == 0 or request["loop"]:
        container = Container(av, request["source"], "audio")
        stream = container.stream
        rate_hz, channels = stream.rate, stream.layout.nb_channels
        if not (MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ and 1 <= channels <= MAX_CHANNELS):
            raise Problem(f"Its sound has {channels} channels at {rate_hz} Hz, which cannot be")
        is_mixed = channels > 2 >= request["channels"]
        given = request["channels"] if is_mixed else channels
        if round_number == 0:
            yield _opened(stream.layout, rate_hz, channels, given), b""
        converter = _Converter(av, rate_hz, "mono" if is_mixed and given == 1 else "stereo" if is_mixed else None)
        end_ns = count = 0
        for timed in container.frames(from_ns):
            samples = converter.push(timed.frame)
            if not samples:
                continue
            end_ns = timed.at_ns + round(len(samples) // (2 * given) * 1_000_000_000 / rate_hz)
            if end_ns > from_ns:
                yield {"at_ns": timed.at_ns, "until_ns": end_ns, "number": count}, samples
            count += 1
        if count == 0:
            raise Problem(*(("It has no sound that can be read",) if round_number == 0 else _NOT_AGAIN))
        yield {"end_ns": end_ns, "length_ns": max(1, container.length_ns or end_ns), "count": count}, b""
        container.close()
        from_ns, round_number = 0, round_number + 1


_NOT_AGAIN = ("It could be read once, but not again", "later")


def _opened(layout: Any, rate_hz: int, channels: int, given: int) -> dict[str, Any]:
    """What the parent has to know before the first sample."""
    is_known = all(channel.name not in ("", "NONE", "UNSD", "UNK") for channel in layout.channels)
    is_known = is_known and not layout.name.endswith(" channels")
    return {
        "opened": True,
        "rate_hz": rate_hz,
        "channels": given,
        "file_channels": channels,
        "layout": layout.name if is_known else "",
    }


class _Converter:
    """Frames of any format to packed int16.

    Args:
        av: the module.
        rate_hz: of the result.
        layout: of the result; None leaves the channels as they are.
    """

    def __init__(self, av: Any, rate_hz: int, layout: str | None) -> None:
        self._av, self._rate_hz, self._layout = av, rate_hz, layout
        self._made_for: Any = None
        self._resampler: Any = None

    def push(self, frame: Any) -> bytes:
        """The samples of a frame, as bytes of int16 (n, c)."""
        made_for = (frame.format.name, frame.layout.name, frame.sample_rate)
        if made_for != self._made_for:  # it may change in the middle of a stream
            self._made_for = made_for
            layout = self._layout or frame.layout
            # Packed: PyAV reads planes beyond the eighth from where there are none, and crashes.
            self._resampler = self._av.AudioResampler(format="s16", layout=layout, rate=self._rate_hz)
        try:
            pieces = [piece.to_ndarray() for piece in self._resampler.resample(frame)]
        except (self._av.FFmpegError, ValueError) as error:
            raise Problem(f"Its sound cannot be converted ({reason(error)})") from None
        return np.concatenate(pieces, axis=1).tobytes() if pieces else b""
