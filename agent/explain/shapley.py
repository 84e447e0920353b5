"""Exact Shapley values of a few senses: what each adds to a value, on average over all orders in which they may join.

Pure arithmetic over the values of all subsets, with standard errors by bootstrap over episodes. It plays nothing.

e episodes, m names
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from ...perception.errors import ConfigError

MAX_SENSES = 6
"""All 2^n subsets are played: with 7 senses there would be 128."""

DRAWS = 2000
MAX_DRAWN = 20_000_000
"""Episodes drawn in a bootstrap, all draws together."""

Subset = frozenset[str]


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean over episodes, and how far to trust it.

    Args:
        value: the mean.
        standard_error: by bootstrap over episodes; not a number where there is one episode.
        interval: the middle 95 % of the bootstrap; infinite where there is one episode.
    """

    value: float
    standard_error: float
    interval: tuple[float, float]

    @property
    def includes_zero(self) -> bool:
        """Whether the interval holds 0; also where there is none, as the values were not finite."""
        return not (self.interval[0] > 0.0 or self.interval[1] < 0.0)


def require_few(names: Sequence[str]) -> None:
    """Checks that all subsets can be played.

    Raises:
        ConfigError: there are too many senses.
    """
    if len(names) > MAX_SENSES:
        raise ConfigError(
            f"Shapley values play every subset of the senses, of which {MAX_SENSES} at most can be compared; got "
            f"{len(names)}: {', '.join(names)}. Take some away with --without."
        )


def subsets(names: Sequence[str]) -> list[Subset]:
    """All subsets, the empty one first, then by size, in the names' order.

    Raises:
        ConfigError: there are more than `MAX_SENSES` names.
    """
    require_few(names)
    return [frozenset(part) for size in range(len(names) + 1) for part in itertools.combinations(names, size)]


def shapley_values(value: Mapping[Subset, float], names: Sequence[str]) -> dict[str, float]:
    """The Shapley value of each player of a game.

    Args:
        value: what each subset of players reaches; all 2^m are needed, the empty one included.
        names: the players.

    Raises:
        ConfigError: a subset is missing, or there are more than `MAX_SENSES` players.

    Source: Shapley 1953, "A value for n-person games", equation 12.
    """
    table = {subset: np.array([worth]) for subset, worth in value.items()}
    return dict(zip(names, _values(table, names)[:, 0].tolist(), strict=True))


def estimate(
    values: Mapping[Subset, Float[np.ndarray, " e"]], names: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Estimate]:
    """Shapley values of means over episodes, with their uncertainty.

    The bootstrap is paired: an episode is drawn together with what it gave in every subset, so what makes one episode
    harder than another cancels.

    Args:
        values: by subset, the value of each episode; the same episodes in the same order everywhere.
        names: the players.
        draws: bootstrap samples; fewer where there are very many episodes.
        seed: of the bootstrap.

    Raises:
        ConfigError: a subset is missing, or there are too many players.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife"; percentile intervals.
    """
    by_episode = _values(values, names)  # m e
    means = bootstrap_means(by_episode, draws=draws, seed=seed)  # m draws
    return {name: _estimate(part, drawn) for name, part, drawn in zip(names, by_episode, means, strict=True)}


def bootstrap_means(
    values: Float[np.ndarray, "m e"], *, draws: int = DRAWS, seed: int = 0
) -> Float[np.ndarray, "m draws"]:
    """Means over episodes that are drawn with replacement, the same ones in every row."""
    episodes = values.shape[1]
    generator = np.random.default_rng(seed)
    draws = max(100, min(draws, MAX_DRAWN // max(1, episodes)))
    return np.stack([values[:, generator.integers(episodes, size=episodes)].mean(axis=1) for _ in range(draws)], axis=1)


def _estimate(values: Float[np.ndarray, " e"], drawn: Float[np.ndarray, " draws"]) -> Estimate:
    if len(values) < 2:
        return Estimate(float(values.mean()), math.nan, (-math.inf, math.inf))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(float(values.mean()), float(drawn.std(ddof=1)), (float(low), float(high)))


def _values(values: Mapping[Subset, Float[np.ndarray, " e"]], names: Sequence[str]) -> Float[np.ndarray, "m e"]:
    """Shapley values episode by episode: differences are taken first, so that who changes nothing gets exactly 0."""
    wanted = subsets(names)
    missing = [subset for subset in wanted if subset not in values]
    if missing:
        told = ", ".join(sorted(missing[0])) or "no sense at all"
        raise ConfigError(f"Shapley values need the value of every subset; got none for {told}.")
    shares = np.zeros((len(names), *np.shape(values[frozenset()])))
    for row, name in enumerate(names):
        for others in wanted:
            if name not in others:
                orders = math.factorial(len(others)) * math.factorial(len(names) - len(others) - 1)
                gained = np.asarray(values[others | {name}], np.float64) - np.asarray(values[others], np.float64)
                shares[row] += orders / math.factorial(len(names)) * gained
    return shares
