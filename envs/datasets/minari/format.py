"""The format "minari": datasets of Minari 0.5, local ones, written and read by its own library."""

import os
from pathlib import Path
from typing import Any

from ...adapters.wishes import Wishes
from ..episodes import Source
from ..facts import DatasetFacts
from ..registry import Format, Writer, refuse_options
from .place import SCHEME, data_folder


class MinariFormat(Format):
    """A folder with data/metadata.json, or the data folder itself."""

    title = "Minari (HDF5)"

    def recognises(self, path: Path) -> bool:
        return os.fspath(path).startswith(SCHEME) or data_folder(path) is not None

    def source(self, path: Path, *, allow_damaged: bool, wishes: Wishes) -> Source:
        from .reader import MinariSource

        return MinariSource(path, allow_damaged=allow_damaged, wishes=wishes)

    def write(self, path: Path, facts: DatasetFacts, **options: Any) -> Writer:
        refuse_options(self.title, options)
        from .writer import MinariWriter

        return MinariWriter(path, facts)
