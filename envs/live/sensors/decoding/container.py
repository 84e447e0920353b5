"""`Container`: one stream of a file, decoded by PyAV, each frame with its place in the file's own time.

That time begins at the earliest stream of the file, whichever stream is wanted, and a round of it is as long as the
container, so that two readers of one file agree. Presentation time stamps count, never frames.
"""

import contextlib
import dataclasses
import errno
from collections.abc import Iterator
from typing import Any, Literal

from .error import DecodingError, reason

MAX_ERRORS = 100
"""So many packets in a row that cannot be decoded are the end of the file."""

SEEK_NS = 2_000_000_000
"""A beginning that is later in the file is looked for instead of being decoded up to."""

LENGTH_TOLERANCE_NS = 100_000_000
"""So much may a container's claim about its length differ from what is in it; some of them only guess."""

EXACT_NS = 1_000_000
"""A lone stream that is within this of the claim counts itself: its end is known to the sample."""

MAX_THREADS = 4


@dataclasses.dataclass(frozen=True)
class Timed:
    """One frame and its place.

    Attributes:
        frame: PyAV's.
        at_ns: its place in the file's own time.
        lasts_ns: how long the file says it lasts; 0 if it does not say.
    """

    frame: Any
    at_ns: int
    lasts_ns: int


class Container:
    """A file that is open for one of its streams.

    Args:
        av: the module.
        path: the file.
        wanted: which sort of stream.

    Attributes:
        stream: the stream, PyAV's.
        length_ns: how long the file is; known after a round.

    Raises:
        DecodingError: it cannot be opened, or has no such stream.
    """

    def __init__(self, av: Any, path: str, wanted: Literal["video", "audio"]) -> None:
        self._av = av
        self._wanted = wanted
        self.length_ns: int | None = None
        try:
            # A name with a % in it is the name of one file here; sequences are not PyAV's business.
            self._container = av.open(path, options={"pattern_type": "none"}, metadata_errors="replace")
        except (av.FFmpegError, ValueError, OSError) as error:
            raise DecodingError(f"FFmpeg cannot read it ({reason(error)})") from None
        self._timed = [*filter(_is_a_picture_that_moves, self._container.streams.video), *self._container.streams.audio]
        self._streams = [stream for stream in self._timed if stream.type == wanted]
        if not self._streams:
            raise DecodingError(f"It has no {'picture' if wanted == 'video' else 'sound'}")
        self.stream = self._streams[0]
        self.stream.thread_type = "AUTO"
        self.stream.codec_context.thread_count = MAX_THREADS
        self._start_ns = round((self._container.start_time or 0) * 1000)

    def frames(self, from_ns: int = 0) -> Iterator[Timed]:
        """The frames to the end of the file, in the order in which they are shown.

        Args:
            from_ns: where to begin; frames from shortly before it may come, too.
        """
        if from_ns > SEEK_NS:
            # One that cannot be sought in is decoded from the beginning.
            with contextlib.suppress(self._av.FFmpegError, OverflowError):
                self._container.seek((self._start_ns + from_ns) // 1000)
        ends_ns = {stream.index: 0 for stream in self._timed}
        before_ns, errors, next_ns = -1, 0, 0
        for packet in self._packets():
            index = packet.stream.index
            if packet.pts is not None:
                ends_ns[index] = max(ends_ns[index], self._place(packet.pts + (packet.duration or 0), packet.time_base))
            if packet.stream is not self.stream:
                continue
            try:
                frames = packet.decode()
                errors = 0
            except self._av.FFmpegError as error:
                if error.errno == errno.ENOMEM:
                    raise
                errors += 1
                if errors >= MAX_ERRORS:
                    break
                continue
            for frame in frames:
                timed = self._timed_frame(frame, next_ns)
                if timed.at_ns + max(timed.lasts_ns, 1) <= 0 or timed.at_ns <= before_ns:
                    continue
                before_ns, next_ns = timed.at_ns, timed.at_ns + timed.lasts_ns
                yield timed
        self.length_ns = self._length(ends_ns, next_ns)

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    def _packets(self) -> Iterator[Any]:
        packets = self._container.demux(*self._timed)
        while True:
            try:
                packet = next(packets, None)
            except self._av.FFmpegError:  # it is damaged, or cut off, from here on
                return
            if packet is None:
                return
            yield packet

    def _timed_frame(self, frame: Any, next_ns: int) -> Timed:
        at_ns = next_ns if frame.pts is None else self._place(frame.pts, frame.time_base)
        if self._wanted == "audio":
            return Timed(frame, at_ns, round(frame.samples * 1_000_000_000 / frame.sample_rate))
        lasts_ns = 0
        if frame.duration and frame.time_base:
            lasts_ns = round(frame.duration * frame.time_base * 1_000_000_000)
        elif self.stream.average_rate:
            lasts_ns = round(1_000_000_000 / self.stream.average_rate)
        return Timed(frame, at_ns, max(0, lasts_ns))

    def _place(self, stamp: int, time_base: Any) -> int:
        return round(stamp * time_base * 1_000_000_000) - self._start_ns

    def _length(self, ends_ns: dict[int, int], own_end_ns: int) -> int:
        """How long the file is, by what the container claims and by what was in it."""
        claimed_ns = (self._container.duration or 0) * 1000
        is_alone = len(self._timed) == 1
        found_ns = own_end_ns if is_alone else max(own_end_ns, *ends_ns.values())
        difference_ns = abs(claimed_ns - found_ns)
        if difference_ns > LENGTH_TOLERANCE_NS or (is_alone and difference_ns <= EXACT_NS):
            return found_ns
        return claimed_ns


def _is_a_picture_that_moves(stream: Any) -> bool:
    """Whether a stream of pictures is no cover of an album."""
    return not stream.disposition & type(stream.disposition).attached_pic
