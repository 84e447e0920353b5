"""The format "sessions": our own recordings, one MCAP file or a folder of them. It loses nothing."""

from pathlib import Path

from ..episodes import Source
from ..facts import DatasetFacts
from ..registry import Format, Writer


class SessionsFormat(Format):
    """What `senseweave record` and `senseweave live --record` write."""

    title = "senseweave sessions (MCAP)"
    grows = True

    def recognises(self, path: Path) -> bool:
        return path.suffix == ".mcap" or (path.is_dir() and any(path.glob("*.mcap")))

    def open(self, path: Path, *, allow_damaged: bool) -> Source:
        from .reader import SessionsSource

        return SessionsSource(path, allow_damaged=allow_damaged)

    def write(self, path: Path, facts: DatasetFacts) -> Writer:
        from .writer import SessionsWriter

        return SessionsWriter(path, facts)
