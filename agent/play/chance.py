"""What is chance and what is not: intervals of a share, of the difference between two shares, and over seeds.

Every place that prints or compares success takes its interval from here. Plain arithmetic; all intervals are of 95 %.
"""

import dataclasses
import math
import statistics
from collections.abc import Sequence
from typing import Any

from ...perception.errors import ConfigError

Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""

NONE = "no difference beyond chance"

_T = (12.7062047364, 4.3026527297, 3.1824463053, 2.7764451052, 2.5705818356)
_T += (2.4469118511, 2.3646242516, 2.3060041352, 2.2621571628, 2.2281388520)
"""The 97.5 % points of Student's distribution with 1 to 10 degrees of freedom."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """How much greater one share is than another, and how far to trust it.

    Args:
        value: the first less the second, -1..1.
        interval: 95 %.
    """

    value: float
    interval: tuple[float, float]

    @property
    def is_chance(self) -> bool:
        """Whether the interval holds 0, so that nobody can say that there is a difference."""
        return self.interval[0] <= 0.0 <= self.interval[1]

    def plain(self) -> dict[str, Any]:
        """As JSON values."""
        return {"value": self.value, "interval": list(self.interval), "is_chance": self.is_chance}


def told(difference: dict[str, Any]) -> str:
    """A difference, as `Difference.plain` gives it, for people: "+0.310 (+0.250 to +0.370)", or that there is none."""
    low, high = difference["interval"]
    figures = f"{difference['value']:+.3f} ({low:+.3f} to {high:+.3f})"
    return f"{NONE}: {figures}" if difference["is_chance"] else figures


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """The interval of a share.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    share, weight = successes / trials, Z * Z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = Z / (1 + weight) * math.sqrt(share * (1 - share) / trials + weight / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def paired_difference(first: Sequence[bool], second: Sequence[bool]) -> Difference:
    """The difference between two shares of successes in the same episodes.

    What makes one episode harder than another cancels: only episodes that end in two ways count. The normal interval
    is taken after half an episode is added to each of the four outcomes of a pair, so that it keeps a width where no
    pair differs.

    Args:
        first: a success or not, by episode.
        second: the same episodes in the same order.

    Raises:
        ConfigError: there are no episodes, or not as many in both.

    Source: Agresti and Min 2005, "Simple improved confidence intervals for comparing matched proportions", "Wald + 2".
    """
    if not len(first) or len(first) != len(second):
        raise ConfigError(f"Pairs of episodes need as many in both, and one at least; got {len(first)}, {len(second)}.")
    gained = sum(bool(one) and not other for one, other in zip(first, second, strict=True))
    lost = sum(bool(other) and not one for one, other in zip(first, second, strict=True))
    pairs = len(first) + 2
    middle = (gained - lost) / pairs
    half = Z / pairs * math.sqrt(gained + lost + 1 - (gained - lost) ** 2 / pairs)
    return Difference((gained - lost) / len(first), (max(-1.0, middle - half), min(1.0, middle + half)))


def unpaired_difference(first: Sequence[bool], second: Sequence[bool]) -> Difference:
    """The difference between two shares of successes in episodes that have nothing to do with each other.

    Args:
        first: a success or not, by episode.
        second: likewise, of other episodes.

    Raises:
        ConfigError: there are no episodes of one.

    Source: Newcombe 1998, "Interval estimation for the difference between independent proportions: comparison of eleven
    methods", method 10.
    """
    if not len(first) or not len(second):
        raise ConfigError(f"A difference needs an episode of both at least; got {len(first)} and {len(second)}.")
    one, other = sum(map(bool, first)) / len(first), sum(map(bool, second)) / len(second)
    (low_1, high_1), (low_2, high_2) = (wilson_interval(sum(map(bool, part)), len(part)) for part in (first, second))
    low = one - other - math.hypot(one - low_1, high_2 - other)
    high = one - other + math.hypot(high_1 - one, other - low_2)
    return Difference(one - other, (max(-1.0, low), min(1.0, high)))


def interval_over_seeds(figures: Sequence[float]) -> tuple[float, float] | None:
    """The interval of the mean over trainings that differ in their seed alone; None for fewer than two.

    It is about the next training, where `wilson_interval` is about the next episode of one that is done. Two seeds tell
    little, and their interval shows it.

    Source: Student 1908, "The probable error of a mean".
    """
    if len(figures) < 2:
        return None
    half = _t(len(figures) - 1) * statistics.stdev(figures) / math.sqrt(len(figures))
    mean = statistics.fmean(figures)
    return mean - half, mean + half


def _t(degrees: int) -> float:
    """The 97.5 % point of Student's distribution.

    Source: Fisher and Cornish 1960, "The percentile points of distributions having known cumulants", for many degrees.
    """
    if degrees <= len(_T):
        return _T[degrees - 1]
    terms = (
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
    )
    return Z + sum(term / degrees**power for power, term in enumerate(terms, 1))
