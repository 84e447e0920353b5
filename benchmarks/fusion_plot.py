"""The table of fusions.py as a picture: one row a fusion, one panel a case, a dot a seed."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
SEED_COLOUR, MEDIAN_COLOUR, CHANCE_COLOUR = "#9db4d8", "#274c8b", "#c0504d"


def draw(fusions: Sequence[tuple[str, list[Row]]], cases: Sequence[str], title: str, path: Path, chance: float) -> None:
    """Draws success in every case.

    Args:
        fusions: name and rows, one for each seed; the first is drawn on top.
        cases: the columns.
        title: above all.
        path: of the PNG.
        chance: success of a guess, a line in every panel.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.6 + 1.7 * len(cases), 1.4 + 0.32 * len(fusions)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(cases), sharey=True, squeeze=False)[0]
    for panel, case in zip(panels, cases, strict=True):
        panel.axvline(chance, color=CHANCE_COLOUR, linewidth=1, linestyle=":")
        for place, (_, rows) in enumerate(fusions):
            values = [row["success"][case] for row in rows]
            panel.plot(values, [place] * len(values), "o", color=SEED_COLOUR, markersize=4)
            panel.plot(statistics.median(values), place, "|", color=MEDIAN_COLOUR, markersize=12, markeredgewidth=2.5)
        panel.set(xlim=(0, 1), title=case)
        panel.grid(axis="x", color="#e4e4e4")
        panel.set_axisbelow(True)
    panels[0].set_yticks(range(len(fusions)), [name for name, _ in fusions])
    panels[0].invert_yaxis()
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=110)
