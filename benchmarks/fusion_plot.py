"""The table of fusions.py as a picture: one row a fusion, one panel a case, a dot a seed."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from senseweave.agent.show.plots import CHANCE, SERIES, plot

Row = dict[str, Any]


def draw(fusions: Sequence[tuple[str, list[Row]]], cases: Sequence[str], title: str, path: Path, chance: float) -> None:
    """Draws success in every case.

    Args:
        fusions: name and rows, one for each seed; the first is drawn on top.
        cases: the columns.
        title: above all.
        path: of the PNG.
        chance: success of a guess, a line in every panel.
    """
    with plot(path, 1.6 + 1.7 * len(cases), 1.4 + 0.32 * len(fusions), len(cases), sharey=True, squeeze=False) as rows:
        for axes, case in zip(rows[0], cases, strict=True):
            axes.axvline(chance, color=CHANCE, linewidth=1, linestyle=":")
            for place, (_, seeds) in enumerate(fusions):
                values = [row["success"][case] for row in seeds]
                axes.plot(values, [place] * len(values), "o", color=SERIES[0], alpha=0.45)
                axes.plot(statistics.median(values), place, "|", color=SERIES[0], markersize=12, markeredgewidth=2.5)
            axes.set(xlim=(0, 1), title=case)
            axes.grid(axis="y", visible=False)
        rows[0][0].set_yticks(range(len(fusions)), [name for name, _ in fusions])
        rows[0][0].invert_yaxis()
        rows[0][0].figure.suptitle(title, fontsize=11)
