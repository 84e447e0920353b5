"""`put_in_the_box`: a finished run becomes an agent that ships with the package; what `make pretrained` ends with.

The folder appears whole or not at all. It holds weights, configuration, results and a card; no checkpoints, no curves,
no video, and nothing of the machine that trained it.
"""

import os
import re
from pathlib import Path

from ...perception.checks.files import read_regular
from ...perception.errors import ConfigError
from ...perception.files import write_atomically
from ...perception.sharing import shipped
from ...perception.sharing.hub import FILES
from ...policies.saving.sealed import publish_folder, remove_folder, writing
from ..runs.directory import RunDirectory
from ..runs.results import read_results
from .parcel import pack

BAR = 0.9
"""The success in held-out episodes, sampled, below which an agent does not ship."""

LICENCE = "mit"
"""Of the weights in the package: the package's own."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def put_in_the_box(run: str | os.PathLike[str], name: str, *, bar: float = BAR) -> Path:
    """Puts a run's policy into the package's folder of agents, in the place of an older one.

    Args:
        run: the run directory, evaluated.
        name: by which users will ask for it.
        bar: the success that it must reach in the held-out episodes of results.json, sampled, 0..1.

    Returns:
        The folder.

    Raises:
        ConfigError: the name is none, or the run was not evaluated, or does not reach the bar.
        CheckpointError: a file of the run is missing or damaged, or the folder cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f'`name` must be a word of small letters, digits and "_"; got "{name}".')
    opened = RunDirectory.open(run)
    results = read_results(opened)
    success = None if results is None else results["evaluation"].get("sampled_success_rate")
    if success is None:
        raise ConfigError(f"{opened.path} has no success in its results.json; train with --evaluation-episodes 512.")
    if success < bar:
        raise ConfigError(
            f"{opened.path} has a success of {success:.3f}, below the bar of {bar:.3f}; train on, or lower --bar."
        )
    parcel = pack(opened.path, name, licence=LICENCE, with_video=False)
    final = shipped.AGENTS / name
    temporary, older = (final.with_name(f".{name}.{os.getpid()}.{word}") for word in ("partial", "older"))
    try:
        for part, content in parcel.items():
            with writing(temporary):
                data = content if isinstance(content, bytes) else read_regular(content, FILES[part])
            write_atomically(temporary / part, data)
        with writing(final):
            if final.is_dir():
                os.replace(final, older)
        publish_folder(temporary, final)
    finally:
        if older.is_dir() and not final.is_dir():
            os.replace(older, final)
        remove_folder(temporary)
        remove_folder(older)
    return final
