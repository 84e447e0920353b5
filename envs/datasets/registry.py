"""`DATASETS`: the formats of datasets by name. A new one is a `Format` and a line here, or an entry point.

A format recognises its own datasets, opens them and writes them. `DATASETS.register("mine", MyFormat)`, or the group
`senseweave.dataset_formats` of an installed package, adds one.
"""

import abc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from ...perception.errors import unknown_option
from ...perception.registry import Registry
from ..adapters.wishes import Wishes
from .episode import Episode
from .episodes import Source
from .facts import DatasetFacts


class Writer(abc.ABC):
    """Writes one dataset, episode by episode. A context manager; leaving it in order completes the dataset."""

    @abc.abstractmethod
    def add(self, episode: Episode) -> None:
        """Writes an episode.

        Raises:
            DatasetError: the format cannot hold it, or the disk refuses.
        """

    @abc.abstractmethod
    def finish(self) -> None:
        """Completes the dataset.

        Raises:
            DatasetError: the disk refuses.
        """

    def abandon(self) -> None:
        """Closes what is open; what was written may be of no use."""
        return

    def losses(self) -> list[str]:
        """What the format could not hold, a sentence each."""
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.finish()
        else:
            self.abandon()


class Format(abc.ABC):
    """A format of datasets. It holds no state, and imports what it needs when it is used.

    Attributes:
        title: what people call it.
        grows: whether every episode that was added is safe at once, so that a recording goes straight into its place.
    """

    # Set these in ALL subclasses
    title: str
    grows: bool = False

    @abc.abstractmethod
    def recognises(self, path: Path) -> bool:
        """Whether the folder or file looks like one of its datasets; only names are looked at."""

    @abc.abstractmethod
    def source(self, path: Path, *, allow_damaged: bool, wishes: Wishes) -> Source:
        """Opens a dataset.

        Args:
            path: where it is.
            allow_damaged: see `open_dataset`.
            wishes: what the observations of somebody else's dataset are, as `adapt` is told.

        Raises:
            SenseweaveError: it is damaged and that is not allowed, or holds nothing, or an extra is missing.
        """

    @abc.abstractmethod
    def write(self, path: Path, facts: DatasetFacts, **options: Any) -> Writer:
        """Begins a dataset in a new or empty folder.

        Args:
            path: the folder.
            facts: what holds for all episodes.
            **options: of the format.

        Raises:
            SenseweaveError: it cannot hold what the facts say, an option is not known, the disk refuses, or an extra is
                missing.
        """


DATASETS: "Registry[Callable[[], Format]]" = Registry(
    "dataset format",
    {
        "sessions": ".sessions.format:SessionsFormat",
        "minari": ".minari.format:MinariFormat",
        "lerobot": ".lerobot.format:LeRobotFormat",
    },
    __package__,
)
"""What `--to` and `--format` choose from; the order in which a dataset is recognised."""


def refuse_options(title: str, options: Mapping[str, Any]) -> None:
    """For a format that has no options.

    Raises:
        UnknownOptionError: some were given.
    """
    for name in options:
        raise unknown_option(title, name, "leave it out.")
