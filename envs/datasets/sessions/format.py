"""The format "sessions": our own recordings, one MCAP file or a folder of them. It loses nothing."""

from pathlib import Path
from typing import Any

from ...adapters.wishes import Wishes
from ..episodes import Source
from ..facts import DatasetFacts
from ..registry import Format, Writer, refuse_options


class SessionsFormat(Format):
    """What `senseweave record` and `senseweave live --record` write."""

    title = "senseweave sessions (MCAP)"
    grows = True

    def recognises(self, path: Path) -> bool:
        return path.suffix == ".mcap" or (path.is_dir() and any(path.glob("*.mcap")))

    def source(self, path: Path, *, allow_damaged: bool, wishes: Wishes) -> Source:
        from .reader import SessionsSource

        return SessionsSource(path, allow_damaged=allow_damaged)

    def write(self, path: Path, facts: DatasetFacts, **options: Any) -> Writer:
        refuse_options(self.title, options)
        from .writer import SessionsWriter

        return SessionsWriter(path, facts)
