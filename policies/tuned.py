"""What each environment is trained with, and how well that went: the rows of data/tuned.json.

    tuned()["BabyAI-GoToLocal-v0"].recipe      a name in RECIPES
                                  .changes     settings of `senseweave train` that suit it better than the recipe's own
                                  .measured    success, steps, seconds and date, or None

`senseweave train` starts with the recipe and the changes, `senseweave envs` shows what was measured.
benchmarks/recipes.py trains, measures and writes the rows. An environment without a row has its recipe as it is.
"""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..perception.checks.whole_files import read_json

FILE = Path(__file__).with_name("data") / "tuned.json"


@dataclasses.dataclass(frozen=True)
class Measured:
    """How well a recipe did in an environment, in episodes that training never saw.

    Args:
        sampled: success of the sampled policy, 0..1; the mean over the seeds.
        greedy: success of the greedy policy, 0..1.
        episodes: held-out episodes of each seed.
        seeds: of the trainings.
        steps: environment steps of a training, imitation included.
        minutes: of a training by the clock, the mean over the seeds.
        cores: processor cores that a training had.
        date: when, as 2026-12-01.
    """

    sampled: float
    greedy: float
    episodes: int
    seeds: tuple[int, ...]
    steps: int
    minutes: float
    cores: int
    date: str


@dataclasses.dataclass(frozen=True)
class Tuned:
    """A row of the table.

    Args:
        recipe: a name in `RECIPES`.
        changes: settings of `senseweave train` by their names.
        measured: None where nothing was measured.
    """

    recipe: str
    changes: Mapping[str, Any]
    measured: Measured | None


@functools.cache
def tuned() -> Mapping[str, Tuned]:
    """The table: id of an environment -> its row."""
    return MappingProxyType({env_id: _row(row) for env_id, row in read_json(FILE).items()})


def _row(row: Mapping[str, Any]) -> Tuned:
    measured = row.get("measured")
    if measured is not None:
        measured = Measured(**measured | {"seeds": tuple(measured["seeds"])})
    return Tuned(row["recipe"], row.get("changes", {}), measured)
