"""`Episodes`: a dataset as a sequence, read episode by episode when somebody asks; `Source` is what a format gives.

Order, parts and splits are lists of numbers: nothing is copied, and nothing is read twice for them.
"""

import abc
import math
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from gymnasium import spaces
from jaxtyping import Int

from ...perception.checks import require_number
from ...perception.spec import Spec
from .episode import Episode
from .errors import DatasetError
from .facts import DatasetFacts


class Source(abc.ABC):
    """Reads the episodes of one dataset.

    Attributes:
        where: the folder or file, for people.
        format: its name in `DATASETS`.
        facts: what holds for all episodes.
        lengths: steps of each episode.
        damage: what is wrong with it, a sentence each.
    """

    # Set these in ALL subclasses
    where: str
    format: str
    facts: DatasetFacts
    lengths: Int[np.ndarray, " e"]
    damage: tuple[str, ...] = ()

    @abc.abstractmethod
    def read(self, number: int) -> Episode:
        """Reads an episode by its number in the dataset.

        Raises:
            SenseweaveError: it is damaged.
        """


class InMemory(Source):
    """Episodes that somebody holds."""

    where, format = "memory", "memory"

    def __init__(self, facts: DatasetFacts, episodes: Sequence[Episode]) -> None:
        self.facts, self._episodes = facts, list(episodes)
        self.lengths = np.array([len(episode) for episode in episodes], np.int64)

    def read(self, number: int) -> Episode:
        return self._episodes[number]


class Episodes(Sequence[Episode]):
    """A dataset, or a part of one: `episodes[3]` reads the fourth episode, `episodes[2:5]` is a part.

    Args:
        source: where they are.
        numbers: which of them, in which order; all by default.

    Attributes:
        source: see above.
        numbers: the numbers in the source.
    """

    def __init__(self, source: Source, numbers: Sequence[int] | Int[np.ndarray, " e"] | None = None) -> None:
        self.source = source
        self.numbers = np.arange(len(source.lengths)) if numbers is None else np.asarray(numbers, np.int64)

    @classmethod
    def of(cls, facts: DatasetFacts, episodes: Sequence[Episode]) -> "Episodes":
        """Episodes that are in memory."""
        return cls(InMemory(facts, episodes))

    @property
    def facts(self) -> DatasetFacts:
        """What holds for all of them."""
        return self.source.facts

    @property
    def spec(self) -> Spec:
        """What is sensed."""
        return self.facts.spec

    @property
    def action_space(self) -> spaces.Space[Any] | None:
        """What is done; None where the dataset holds no actions."""
        return self.facts.action_space

    @property
    def action_names(self) -> tuple[str, ...]:
        """Of the choices, or of the numbers of an action; empty where they have none."""
        return self.facts.action_names

    @property
    def step_s(self) -> float:
        """Seconds of a step."""
        return self.facts.step_s

    @property
    def lengths(self) -> Int[np.ndarray, " e"]:
        """Steps of each episode; known without reading them."""
        return self.source.lengths[self.numbers]

    @property
    def steps(self) -> int:
        """Steps of all episodes together."""
        return int(self.lengths.sum())

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> Episode: ...
    @overload
    def __getitem__(self, index: slice) -> "Episodes": ...
    def __getitem__(self, index: int | slice) -> "Episode | Episodes":
        if isinstance(index, slice):
            return Episodes(self.source, self.numbers[index])
        return self.source.read(int(self.numbers[index]))

    def __iter__(self) -> Iterator[Episode]:
        return (self.source.read(int(number)) for number in self.numbers)

    def shuffled(self, generator: np.random.Generator) -> "Episodes":
        """The same episodes in a random order."""
        return Episodes(self.source, generator.permutation(self.numbers))

    def split(self, share: float, generator: np.random.Generator) -> "tuple[Episodes, Episodes]":
        """Two parts that have no episode in common, each in the order of the dataset.

        Args:
            share: of the episodes in the second part, 0..1 without 1. Above 0 it has at least one, and the first part
                as well.
            generator: says which.

        Raises:
            DatasetError: there is but one episode to split.
        """
        require_number("share", share, at_least=0, below=1)
        count = min(len(self) - 1, max(1, math.floor(share * len(self)))) if share else 0
        if share and count < 1:
            raise DatasetError(f"{self.source.where} has {len(self)} episode, which cannot be split; record more.")
        held_out = np.zeros(len(self), bool)
        held_out[generator.permutation(len(self))[:count]] = True
        return Episodes(self.source, self.numbers[~held_out]), Episodes(self.source, self.numbers[held_out])

    def __repr__(self) -> str:
        return (
            f"Episodes({self.source.where!r}, format={self.source.format}, {len(self)} episodes, {self.steps} steps, "
            f"senses={', '.join(self.spec)})"
        )
