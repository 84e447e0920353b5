"""Charts of the page about a policy, as inline SVG: bars with intervals, and curves over steps.

They are narrow, so that their words can still be read where a phone shrinks them, and take the page's colours from
its style sheet, for light and dark alike.
"""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from .charts import colour, nice_steps

WIDTH, LEFT, RIGHT, AXIS = 520, 96, 12, 24
BAR_PX = 34


class Measured(Protocol):
    """A figure, how far it can be trusted, and the ends of its interval."""

    @property
    def value(self) -> float: ...  # noqa: D102
    @property
    def standard_error(self) -> float: ...  # noqa: D102
    @property
    def interval(self) -> tuple[float, float]: ...  # noqa: D102


def bars(estimates: Mapping[str, Measured], title: str, unit: str = "") -> str:
    """A bar for each name, with a whisker from end to end of its interval, and the value in words beside the name."""
    ends = [
        end for estimate in estimates.values() for end in (estimate.value, *estimate.interval) if math.isfinite(end)
    ]
    low, high = min(0.0, *ends, 0.0), max(0.0, *ends, 1e-9)
    reach = (high - low) or 1.0

    def x(value: float) -> float:
        clipped = min(high, max(low, value))
        return LEFT + (WIDTH - LEFT - RIGHT - 70) * (clipped - low) / reach

    parts = []
    for number, (name, estimate) in enumerate(estimates.items()):
        middle = BAR_PX * number + BAR_PX / 2
        left, right = sorted((x(0.0), x(estimate.value)))
        parts.append(_word(LEFT - 8, middle + 5, name, "end"))
        parts.append(
            f'<rect x="{left:.1f}" y="{middle - 9:.1f}" width="{max(1.0, right - left):.1f}" height="18" rx="2" '
            f'fill="{colour(number)}"/>'
        )
        if math.isfinite(estimate.standard_error):
            start, end = (x(edge) for edge in estimate.interval)
            parts.append(f'<path class="ink" d="M{start:.1f} {middle:.1f}H{end:.1f}M{start:.1f} {middle - 5:.1f}v10')
            parts[-1] += f'M{end:.1f} {middle - 5:.1f}v10"/>'
        parts.append(_word(WIDTH - RIGHT, middle + 5, f"{estimate.value:+.3f}{unit}", "end"))
    height = BAR_PX * len(estimates)
    parts.append(f'<path class="rule" d="M{x(0.0):.1f} 0V{height}"/>')
    return _svg(height + 2, title, parts)


def curves(series: Mapping[str, Sequence[float]], title: str, colours: Mapping[str, int]) -> str:
    """Shares of 0..1 over the steps of an episode.

    Args:
        series: by name, one share for each step.
        title: for who cannot see it.
        colours: by name, the number of its colour.
    """
    height, last = 130, max(1, max(len(shares) for shares in series.values()) - 1)

    def point(step: int, share: float) -> str:
        x = LEFT / 2 + (WIDTH - LEFT / 2 - RIGHT) * step / last
        return f"{x:.1f} {8 + (height - 8) * (1 - min(1.0, max(0.0, share))):.1f}"

    parts = []
    for share in (0.0, 0.5, 1.0):
        parts.append(f'<path class="rule" d="M{point(0, share)}L{point(last, share)}"/>')
        y = float(point(0, share).split()[1])
        parts.append(_word(LEFT / 2 - 8, y + 4, f"{share:g}", "end"))
    for step in nice_steps(float(last)):
        if step == int(step):
            parts.append(_word(float(point(int(step), 0).split()[0]), height + 17, f"{int(step)}", "middle"))
    for name, shares in series.items():
        path = "L".join(point(step, share) for step, share in enumerate(shares))
        drawn = f"M{path}" + ("h2" if len(shares) == 1 else "")
        parts.append(f'<path d="{drawn}" fill="none" stroke="{colour(colours[name])}" stroke-width="2.5"/>')
    return _svg(height + AXIS, title, parts)


def key(colours: Mapping[str, int]) -> str:
    """Which colour is which name."""
    marks = "".join(
        f'<span><i style="background:{colour(number)}"></i>{html.escape(name)}</span>'
        for name, number in colours.items()
    )
    return f'<p class="key">{marks}</p>'


def _word(x: float, y: float, text: str, anchor: str) -> str:
    shown = html.escape(text if len(text) <= 14 else text[:13] + "…")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{shown}</text>'


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{html.escape(title, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )
