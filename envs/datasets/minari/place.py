"""Where a Minari dataset is: a folder, or the name of one in Minari's own folder."""

import os
from pathlib import Path

SCHEME = "minari:"
"""Begins the name of a dataset in Minari's own folder: "minari:D4RL/door/human-v2"."""


def data_folder(path: Path) -> Path | None:
    """Where a dataset's metadata.json is; None where there is none."""
    if os.fspath(path).startswith(SCHEME):
        own = os.environ.get("MINARI_DATASETS_PATH") or os.path.join(os.path.expanduser("~"), ".minari", "datasets")
        path = Path(own, os.fspath(path).removeprefix(SCHEME))
    return next((folder for folder in (path / "data", path) if (folder / "metadata.json").is_file()), None)
