"""Whether what a user names can be a run at all. It is asked before torch is imported, so that a slip is told at once.

Wherever a command takes a run, it takes an agent that ships with the package and an address of the Hub as well; see
`perception/sharing/address.py`.
"""

import os
from pathlib import Path

from ...perception.errors import CheckpointError
from ...perception.sharing.address import advice_on, find_folder
from ..settings.train import UNNAMED as UNNAMED

CONFIG = "config.json"
"""The file that makes a folder a run."""

EXPORTED = "model.json"
"""The file that makes a folder an exported policy."""


def require_policy(path: str | os.PathLike[str]) -> Path:
    """The folder of a run, or of a policy that was exported; what its description says is not looked at.

    Raises:
        CheckpointError: there is neither; see `find_folder`.
    """
    return Path(path) if is_exported(path) else require_run(path)


def is_exported(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is one that `senseweave export` wrote, as far as a glance tells."""
    return (Path(path) / EXPORTED).is_file()


def require_run(path: str | os.PathLike[str]) -> Path:
    """The folder of a run; what its config.json says is not looked at.

    Raises:
        CheckpointError: there is no such folder, or no config.json in it; see `find_folder`.
    """
    folder = find_folder(path)
    if not folder.is_dir():
        problem, end = ("is a file", ".") if folder.exists() else ("does not exist", advice_on(path))
        raise CheckpointError(f'The run directory "{folder}" {problem}; give the folder that train made (--out){end}')
    if not (folder / CONFIG).is_file():
        raise CheckpointError(f'"{folder}" has no {CONFIG}, so it is no run; give the folder that train made.')
    return folder


def place_for_outputs(path: str | os.PathLike[str]) -> Path:
    """Where what a command makes of a run goes by itself: the run's folder, or this one where the run is no user's."""
    return Path(path) if os.path.isdir(path) else Path()
