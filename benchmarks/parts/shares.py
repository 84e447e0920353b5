"""How far to trust a success: its interval over episodes, and beside it that over seeds. Both of 95 %.

They answer two questions. Over episodes: where would this one training come out in other episodes? Over seeds: where
would the mean of other trainings be? Two or three seeds tell little, which their interval shows.
"""

import statistics
from collections.abc import Sequence

from senseweave.agent.play.chance import interval_over_seeds, wilson_interval

from .tables import each

LEGEND = "± over episodes (Wilson), ± over seeds (Student), 95 % each"


def half_over_episodes(share: float, episodes: int) -> float:
    """Half the width of Wilson's interval of one training's success."""
    low, high = wilson_interval(round(share * episodes), episodes)
    return (high - low) / 2


def half_over_seeds(shares: Sequence[float]) -> float | None:
    """Half the width of Student's interval of the mean; None for fewer than two seeds."""
    interval = interval_over_seeds(shares)
    return None if interval is None else (interval[1] - interval[0]) / 2


def halves(shares: Sequence[float | None], episodes: int) -> list[float]:
    """Half the width over episodes, of the median, and, where there are several seeds, half the width over those.

    Args:
        shares: of success, one for each seed; None is one that there is not.
        episodes: in which each was measured.

    Returns:
        None, one or two numbers.
    """
    known = [share for share in shares if share is not None]
    if not known or not episodes:
        return []
    over_seeds = half_over_seeds(known)
    halved = [half_over_episodes(statistics.median(known), episodes)]
    return halved if over_seeds is None else [*halved, over_seeds]


def each_share(shares: Sequence[float | None], episodes: int) -> str:
    """`each`, then ± over episodes and ± over seeds: "0.920 (0.911 0.920 0.934) ±0.024 ±0.029"."""
    return " ".join([each(shares, ".3f", 0.0), *(f"±{half:.3f}" for half in halves(shares, episodes))])
