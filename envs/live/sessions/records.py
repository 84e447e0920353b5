"""The records of an MCAP file as far as they are whole: a damaged chunk costs that chunk, and not what comes after it.

The library stops at the first fault. Here records are found by their own lengths, or, where a length is damaged, by
looking for the next chunk; each chunk is checked by its checksum, and the whole file by the one that is at its end.
Nothing is larger in memory than `MAX_RECORD_BYTES`, whatever the file claims. What messages say is session.py's.
"""

import io
import os
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from ....perception.checks import shown
from ....perception.checks.files import MIB
from ....perception.errors import MissingExtraError, how_to_install

MAX_RECORD_BYTES = 128 * MIB
"""A record, or a chunk when it is unpacked, that claims to be larger is damage."""

_MAGIC = b"\x89MCAP0\r\n"
_HEAD = 9
_CHUNK_MARK = b"\x04\x00\x00\x00zstd"
_CHUNK_MARK_AT = _HEAD + 28
"""Where a chunk says how it is packed, which nothing else says in this place."""

_LAST_KNOWN, _FIRST_PRIVATE = 15, 128


class Records:
    """The records of one file, in their order; chunks are unpacked. It is gone through once.

    Args:
        file: at its beginning.

    Attributes:
        faults: what is wrong with the file, a clause each; complete after everything was read.
        is_cut_off: whether it ends before its end. It may be whole until there.
        size: bytes of the file.
        read: bytes of what was whole.

    Raises:
        MissingExtraError: mcap is not installed.
    """

    def __init__(self, file: BinaryIO) -> None:
        require_mcap()
        from mcap import records
        from mcap.data_stream import ReadDataStream
        from mcap.opcode import Opcode

        self._file, self._stream_of, self._codes = file, ReadDataStream, Opcode
        self._kinds: dict[int, Any] = {
            Opcode.HEADER: records.Header,
            Opcode.SCHEMA: records.Schema,
            Opcode.CHANNEL: records.Channel,
            Opcode.CHUNK: records.Chunk,
            Opcode.METADATA: records.Metadata,
            Opcode.DATA_END: records.DataEnd,
        }
        """Those that are parsed; the others repeat what these say."""
        self.faults: list[str] = []
        self.is_cut_off = False
        self.size, self.read = os.fstat(file.fileno()).st_size, 0
        self._sure = len(_MAGIC)
        self._crc = zlib.crc32(_MAGIC)

    def __iter__(self) -> Iterator[Any]:
        """Metadata, channels and messages."""
        if self._take(0, len(_MAGIC)) != _MAGIC:
            self._fault("it does not begin as an MCAP file does")
            return
        self.read += len(_MAGIC)
        place, tried, is_ended = len(_MAGIC), set[int](), False
        while place < self.size and not is_ended:
            head = self._take(place, _HEAD)
            code, length = head[0], int.from_bytes(head[1:], "little")
            end = place + _HEAD + length
            is_odd = not (1 <= code <= _LAST_KNOWN or code >= _FIRST_PRIVATE) or length > MAX_RECORD_BYTES
            if len(head) < _HEAD or is_odd or end > self.size:
                tried.add(place)
                following = self._next_chunk(self._sure, tried)
                if following is None:
                    self.is_cut_off |= len(head) < _HEAD or (not is_odd and end > self.size)
                    if not self.is_cut_off:
                        self._fault("nothing whole can be found after a damaged record")
                    return
                self._fault("a record has a damaged length")
                place = following
                continue
            body = self._take(place + _HEAD, length)
            tried.add(place)
            found = list(self._read(code, body))
            yield from found
            if code == self._codes.DATA_END:
                self._compare_checksum(found)
                is_ended = True
            self._crc = zlib.crc32(body, zlib.crc32(head, self._crc))
            self.read += _HEAD + length
            place = end
        if not is_ended:
            self.is_cut_off = True
            return
        end = self._end_after(place)
        self.read += end - place  # the summary, which repeats what stood above
        if self._take(end - len(_MAGIC), len(_MAGIC)) != _MAGIC:
            self.is_cut_off = True
        elif end < self.size:
            self._fault("something else stands behind its end")

    def _end_after(self, place: int) -> int:
        """Where the file says that it ends, by the footer behind its summary; its size where nothing says so."""
        while place < self.size:
            head = self._take(place, _HEAD)
            place += _HEAD + int.from_bytes(head[1:], "little")
            if len(head) < _HEAD or place + len(_MAGIC) > self.size:
                break
            if head[0] == self._codes.FOOTER:
                return place + len(_MAGIC)
        return self.size

    def _read(self, code: int, body: bytes) -> Iterator[Any]:
        if code not in self._kinds:
            return
        try:
            record = self._parse(code, body)
            if code != self._codes.CHUNK:
                yield record
                return
            parts = self._unpack(record)
        except Exception as error:  # whatever the parsers of records and of packed bytes make of damaged ones
            self._fault(f"a {self._kinds[code].__name__.lower()} is damaged ({shown(error, 60) or 'it is too short'})")
            self.read -= _HEAD + len(body)
            return
        self._sure = self._file.tell()
        yield from parts

    def _parse(self, code: int, body: bytes) -> Any:
        return self._kinds[code].read(self._stream_of(io.BytesIO(body)))

    def _unpack(self, chunk: Any) -> list[Any]:
        from mcap.records import Channel, Message

        content = _unpacked(chunk)
        if chunk.uncompressed_crc and zlib.crc32(content) != chunk.uncompressed_crc:
            raise ValueError("its checksum is another one")
        stream, found = self._stream_of(io.BytesIO(content)), []
        while stream.count < len(content):
            code, length = stream.read1(), stream.read8()
            end = stream.count + length
            if end > len(content):
                raise ValueError("it is too short")
            if code == self._codes.CHANNEL:
                found.append(Channel.read(stream))
            elif code == self._codes.MESSAGE:
                found.append(Message.read(stream, length))
            stream.read(end - stream.count)
        return found

    def _compare_checksum(self, found: list[Any]) -> None:
        """With that of everything before, which only covers what was found in its place."""
        expected = found[0].data_section_crc if found else 0
        if expected and not self.faults and self._crc != expected:
            self._fault("its checksum is another one")

    def _next_chunk(self, start: int, tried: set[int]) -> int | None:
        """Where the next chunk begins that was not tried, from `start` on."""
        place, kept = start, b""
        while place < self.size:
            block = self._take(place, MIB)
            if not block:
                return None
            text, base = kept + block, place - len(kept)
            at = text.find(_CHUNK_MARK)
            while at >= 0:
                begin = base + at - _CHUNK_MARK_AT
                head = self._take(begin, _HEAD) if begin >= start and begin not in tried else b""
                length = int.from_bytes(head[1:], "little")
                is_chunk = len(head) == _HEAD and head[0] == self._codes.CHUNK and length <= MAX_RECORD_BYTES
                if is_chunk and begin + _HEAD + length <= self.size:
                    return begin
                at = text.find(_CHUNK_MARK, at + 1)
            kept, place = text[-len(_CHUNK_MARK) + 1 :], place + len(block)
        return None

    def _take(self, place: int, length: int) -> bytes:
        self._file.seek(place)
        return self._file.read(length)

    def _fault(self, clause: str) -> None:
        if clause not in self.faults and len(self.faults) < 3:
            self.faults.append(clause)


def require_mcap() -> None:
    """Checks that recordings can be read here.

    Raises:
        MissingExtraError: mcap is not installed.
    """
    try:
        import mcap.records  # noqa: F401
        import zstandard  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"Recordings need mcap, which could not be imported ({error}); {how_to_install('data')}"
        ) from error


def _unpacked(chunk: Any) -> bytes:
    if chunk.uncompressed_size > MAX_RECORD_BYTES:
        raise ValueError("it claims to be too large")
    if not chunk.compression:
        return chunk.data
    if chunk.compression != "zstd":
        raise ValueError("it is packed in another way")
    import zstandard

    if zstandard.frame_content_size(chunk.data) not in (-1, chunk.uncompressed_size):
        raise ValueError("it does not hold what it claims")
    content = zstandard.ZstdDecompressor().decompress(chunk.data, max_output_size=max(1, chunk.uncompressed_size))
    if len(content) != chunk.uncompressed_size:
        raise ValueError("it does not hold what it claims")
    return content
