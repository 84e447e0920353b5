"""Charts as PNG by matplotlib, all in one style: that of the pages and videos, with the senses in their own colours."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...envs.rooms.render.canvas import FAINT, INK
from ...perception.errors import MissingExtraError, how_to_install
from .palette import OTHERS, SENSES, hexadecimal

DPI = 120
STYLE: dict[str, Any] = {
    "figure.constrained_layout.use": True,
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": hexadecimal(INK),
    "axes.labelcolor": hexadecimal(INK),
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.edgecolor": hexadecimal(FAINT),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e3e5e7",
    "xtick.color": hexadecimal(FAINT),
    "ytick.color": hexadecimal(FAINT),
    "xtick.labelcolor": hexadecimal(INK),
    "ytick.labelcolor": hexadecimal(INK),
    "legend.frameon": False,
    "legend.fontsize": 10,
    "lines.linewidth": 2,
    "lines.markersize": 5,
}

SERIES = tuple(hexadecimal(colour) for colour in (*SENSES.values(), *OTHERS))
"""Colours of what is no sense, in order."""

CHANCE = hexadecimal(FAINT)


@contextlib.contextmanager
def plot(path: str | Path, width: float, height: float, columns: int = 1, **options: Any) -> Iterator[Any]:
    """A picture to be drawn into; it is written when the block ends.

        with plot("curve.png", 6, 4) as axes:
            axes.plot([0, 1], [0, 1])

    Args:
        path: the .png file.
        width: in inches of 120 pixels.
        height: likewise.
        columns: axes side by side.
        **options: of `Figure.subplots`.

    Yields:
        matplotlib's axes, or an array of them where there are several columns.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.rcsetup import cycler
    except ImportError as error:
        raise MissingExtraError(f"A chart needs matplotlib ({error}); {how_to_install('view')}") from error
    style: Any = STYLE | {"axes.prop_cycle": cycler(color=SERIES)}  # matplotlib types its keys, every one
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        yield figure.subplots(1, columns, **options)
        figure.savefig(path, dpi=DPI)
