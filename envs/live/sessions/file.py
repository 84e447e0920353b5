"""`RecordingFile`: a session as an MCAP file that is complete up to its last flush, whatever ends it.

It is used by one thread. Messages are collected in chunks; `flush` hands a chunk to the system as one piece, and a
piece that does not fit on the disk is taken back, so that the file always ends where something whole ends.
"""

import contextlib
import importlib.metadata
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ....perception.errors import ConfigError, MissingExtraError, how_to_install
from ....perception.spec import Spec
from .format import FORMAT, PROFILE, SENSES, VERSION, as_json, schema, seal, topics

CHUNK_BYTES = 2**20
"""A chunk ends when it is so large, or at the next flush."""


class RecordingFile:
    """A session file that is being written.

    Args:
        path: a file that does not exist.
        senses: whose readings it gets.
        described: what the metadata record `session` holds, as plain JSON.

    Raises:
        ConfigError: the file exists, or cannot be made.
        MissingExtraError: mcap is not installed.
    """

    def __init__(self, path: Path, senses: Spec, described: Mapping[str, Any]) -> None:
        try:
            from mcap.writer import CompressionType, Writer
        except ImportError as error:
            raise MissingExtraError(
                f"Recording needs mcap, which could not be imported ({error}); {how_to_install('data')}"
            ) from error
        self.path = path
        self._file = _WholePieces(path)
        self._channels: dict[str, int] = {}
        self._sequence: dict[str, int] = {}
        # Any cast: the writer asks for nothing but write, tell and flush.
        stream: Any = self._file
        self._writer = Writer(stream, chunk_size=CHUNK_BYTES, compression=CompressionType.ZSTD, enable_data_crcs=True)
        self._writer.start(PROFILE, f"senseweave {importlib.metadata.version('senseweave')}")
        metadata = {"format": FORMAT, "version": str(VERSION), "session": as_json(described).decode()}
        self._writer.add_metadata("session", metadata | {"sha256": seal(metadata)})
        for topic in topics(senses):
            name, data = schema(senses.get(topic.removeprefix(SENSES)))
            number = self._writer.register_schema(name, "jsonschema", data)
            self._channels[topic] = self._writer.register_channel(topic, "json", number)
        self._writer.flush()

    def add(self, topic: str, data: bytes, log_ns: int, publish_ns: int) -> None:
        """Adds a message. It is on its way to the disk after the next `flush`, or earlier.

        Args:
            topic: one of those of the session's format.
            data: the message.
            log_ns: when it was recorded, in the rig's clock.
            publish_ns: when it was captured.

        Raises:
            OSError: the disk is full or gone; nothing more can be written.
        """
        number = self._sequence[topic] = self._sequence.get(topic, -1) + 1
        self._writer.add_message(self._channels[topic], max(0, log_ns), data, max(0, publish_ns), number % 2**32)

    def flush(self) -> None:
        """Hands everything over to the system: it survives the end of this process now.

        Raises:
            OSError: see `add`.
        """
        self._writer.flush()

    def finish(self) -> None:
        """Writes the index and the summary, and closes the file.

        Raises:
            OSError: see `add`; call `abandon` then.
        """
        self._writer.finish()
        self._file.flush()
        self._file.sync()
        self._file.close()

    def abandon(self) -> None:
        """Closes the file as it was after the last flush."""
        self._file.close()


class _WholePieces:
    """A file that takes what was written since the last flush as one piece, or not at all."""

    def __init__(self, path: Path) -> None:
        try:
            if (file := next((part for part in path.parents if part.exists()), path)).is_file():
                raise ConfigError(f"{file} is a file; name a folder, or a file that does not exist and ends in .mcap.")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._number: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError as error:
            raise ConfigError(f"{path} exists already; record into another file or folder.") from error
        except OSError as error:
            raise ConfigError(f"Nothing can be recorded into {path} ({error.strerror}); choose another.") from error
        self._waiting = bytearray()
        self._written = 0

    def write(self, data: bytes) -> int:
        self._waiting += data
        if len(self._waiting) > 4 * CHUNK_BYTES:
            self.flush()
        return len(data)

    def tell(self) -> int:
        return self._written + len(self._waiting)

    def flush(self) -> None:
        if self._number is None:
            return
        view, done = memoryview(self._waiting), 0
        try:
            while done < len(view):
                done += os.write(self._number, view[done:])
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._number, self._written)
            raise
        finally:
            view.release()
        self._written += done
        self._waiting.clear()

    def sync(self) -> None:
        if self._number is not None:
            with contextlib.suppress(OSError):  # a pipe, or a file system that cannot
                os.fsync(self._number)

    def close(self) -> None:
        if self._number is not None:
            number, self._number = self._number, None
            self._waiting.clear()
            os.close(number)
