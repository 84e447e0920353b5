"""`open_dataset` and `write_dataset`: from a path to episodes, whatever the format, and back."""

import contextlib
import dataclasses
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ...perception.errors import unknown_name, unknown_option
from ..adapters.wishes import Wishes, read_kinds, read_names, read_size
from .episode import Episode
from .episodes import Episodes
from .errors import DatasetError
from .facts import DatasetFacts
from .registry import DATASETS, Format


def open_dataset(
    path: str | os.PathLike[str], *, format: str | None = None, allow_damaged: bool = False, **reading: Any
) -> Episodes:
    """Opens a dataset; its episodes are read when somebody asks for them.

    Args:
        path: a folder, or the .mcap file of one recording; "minari:ID" for a dataset of Minari's own folder.
        format: a name in `DATASETS`; recognised by default.
        allow_damaged: whether a dataset that is damaged or was cut off is read as far as it is whole. What is wrong
            with it stands in `source.damage`.
        **reading: what the observations of somebody else's dataset are, where that cannot be told: `camera`, `audio`,
            `instruction`, `sample_rate_hz`, `size`, `max_tokens`, `kinds` and `ignore` of `adapt`.

    Raises:
        DatasetError: there is no dataset, or it is damaged and that is not allowed.
        UnknownNameError: there is no such format.
        SpecError: what an observation is cannot be told without a word in `reading`.
        MissingExtraError: the format needs an extra that is not installed.
    """
    chosen, wishes = _format(format or recognised(path)), _wishes(**reading)
    return Episodes(chosen.source(Path(path), allow_damaged=allow_damaged, wishes=wishes))


def recognised(path: str | os.PathLike[str]) -> str:
    """The name of a dataset's format.

    Raises:
        DatasetError: there is nothing, or nothing that a format knows.
    """
    place = Path(path)
    for name in DATASETS.all_names():
        if _format(name).recognises(place):
            return name
    if not place.exists():
        raise DatasetError(f"There is no dataset {place}; `senseweave record --out {place}` makes one.")
    raise DatasetError(
        f"{place} is no dataset of a known format ({', '.join(DATASETS.all_names())}); name the folder that holds its "
        "recordings (*.mcap), data/metadata.json or meta/info.json."
    )


def write_dataset(
    episodes: Iterable[Episode],
    path: str | os.PathLike[str],
    format: str,
    *,
    facts: DatasetFacts | None = None,
    on_episode: Callable[[Episode], object] = lambda episode: None,
    **options: Any,
) -> list[str]:
    """Writes a dataset: all of it, or nothing.

    Args:
        episodes: what is written: `Episodes`, or any others with `facts`.
        path: a folder that does not exist or is empty.
        format: a name in `DATASETS`.
        facts: what holds for all episodes, where `episodes` do not say.
        on_episode: called after each of them.
        **options: of the format.

    Returns:
        What the format could not hold, a sentence each.

    Raises:
        DatasetError: the folder is in use, the disk refuses, or the format cannot hold the episodes.
        UnknownNameError: there is no such format.
        MissingExtraError: the format needs an extra that is not installed.
    """
    if facts is None:
        if not isinstance(episodes, Episodes):
            raise DatasetError("Episodes that are no `Episodes` need `facts`; pass facts=DatasetFacts(...).")
        facts = episodes.facts
    chosen, place = _format(format), Path(path)
    require_new(place)
    outer = place.absolute().parent / f".{secrets.token_hex(8)}.partial"
    partial = outer / place.name  # some formats name the dataset as its folder
    try:
        try:
            outer.mkdir(parents=True)
            with chosen.write(partial, facts, **options) as writer:
                for episode in episodes:
                    writer.add(episode)
                    on_episode(episode)
            with contextlib.suppress(FileNotFoundError):
                place.rmdir()
            os.rename(partial, place)
        except OSError as error:
            raise DatasetError(f"{place} could not be written ({error.strerror or error}); choose another.") from error
    finally:
        shutil.rmtree(outer, ignore_errors=True)
    return writer.losses()


def require_new(path: Path) -> None:
    """Checks that a dataset can be written there.

    Raises:
        DatasetError: something is there already.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise DatasetError(f"{path} is in use; name a folder that does not exist or is empty.")


def _format(name: str) -> Format:
    if name not in DATASETS:
        raise unknown_name("The dataset format", name, DATASETS.all_names())
    return DATASETS[name]()


def _wishes(**reading: Any) -> Wishes:
    """What a caller said about the sources of somebody else's dataset."""
    read: dict[str, Callable[[Any], Any]] = {
        "size": read_size,
        "kinds": read_kinds,
        "ignore": lambda names: read_names("ignore", names),
    }
    known = {field.name for field in dataclasses.fields(Wishes)}
    for name in reading:
        if name not in known:
            raise unknown_option("A dataset", name, f"choose of: {', '.join(sorted(known))}.")
    return Wishes(**{name: read[name](value) if name in read else value for name, value in reading.items()})
