"""The page about a live session: one HTML file that needs nothing else, for screens of any size.

It draws what a `Digest` has collected; the words and the markup are in show/templates/live.html.j2. When it is written
is report.py's.
"""

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from ...perception.spec import Microphone, Picture
from ..show.charts import ROW, Chart, histogram, key
from ..show.frame import PANEL_PX
from ..show.pages import render
from ..show.palette import SENSES, hexadecimal, sense_colours
from ..show.pixels import heat, png
from ..show.readings import draw_reading
from ..terminal.progress import duration
from .digest import Digest

PICTURE_PX = 72
PLOT_PX = 110
MAX_STRIPS = 32
"""Of so many actions a strip is drawn."""
QUIET_DB = -90
ACTION, SAFE_ACTION = "var(--action)", "var(--warned)"
"""Colours of the page's style."""


def page(digest: Digest, facts: Mapping[str, str], timing: Mapping[str, Any]) -> str:
    """The whole page as text.

    Args:
        digest: what happened.
        facts: title -> text, above everything else.
        timing: the loop's own figures, see `Timing.summary`; empty where there are none.

    Raises:
        MissingExtraError: there are pictures, and cv2 cannot be imported.
    """
    return render(
        "live.html.j2",
        facts={**facts, **_facts(digest, timing)},
        digest=digest,
        films=_films(digest),
        charts=_Charts(digest) if digest.ticks else None,
        gaps=_gaps(digest),
        timing=timing,
        left_out=digest.kinds.total() - len(digest.events),
        picture_px=PICTURE_PX,
        quiet_db=QUIET_DB,
    )


def _facts(digest: Digest, timing: Mapping[str, Any]) -> dict[str, str]:
    rate_hz = timing.get("rate_hz") or (max(0, digest.ticks - 1) / digest.seconds if digest.seconds > 0 else 0.0)
    facts = {
        "Length": f"{duration(digest.seconds)}, {digest.ticks:,} ticks at {rate_hz:.2f} Hz "
        f"(wanted: {1 / digest.period_s:.2f} Hz)",
        "Present": ", ".join(f"{name} {100 * share:.1f} %" for name, share in digest.presence.items()),
    }
    if digest.safe_ticks:
        facts["Safe action"] = f"in {digest.safe_ticks:,} ticks"
    if digest.skipped:
        facts["Not looked at"] = f"{digest.skipped:,} ticks, for which there was no time"
    return facts


def _films(digest: Digest) -> dict[str, list[tuple[float, Picture | None]]]:
    """By sense: pictures of what it gave, and when that was; None where it was absent."""
    colours, films = sense_colours(digest.senses), {}
    for name, readings in digest.readings.items():
        kind = digest.senses[name]
        draw = functools.partial(draw_reading, kind, side_px=PANEL_PX, colour=colours[name])
        if draw(kind.placeholder()) is not None:
            films[name] = [(second, None if reading is None else draw(reading)) for second, reading in readings]
    return films


def _gaps(digest: Digest) -> dict[str, Any] | None:
    """How far ticks were from their period: figures in ms and a histogram; None where there was one tick."""
    gaps_ms = digest.gaps_ms
    if not gaps_ms.size:
        return None
    p50, p99 = np.percentile(np.abs(gaps_ms), [50, 99])
    chart = histogram(gaps_ms, "ms", "time between ticks", SENSES["camera"])
    return {"p50_ms": p50, "p99_ms": p99, "max_ms": np.abs(gaps_ms).max(), "chart": chart}


class _Charts:
    """The charts of a session of at least one tick, all over the same time."""

    def __init__(self, digest: Digest) -> None:
        self._digest, self._colours = digest, sense_colours(digest.senses)

    def spectrograms(self) -> dict[str, Markup]:
        """By microphone: loudness in bands of pitch."""
        return {
            name: self._spectrogram(name, kind.sample_rate_hz / 2)
            for name, kind in self._digest.senses.of_kind(Microphone).items()
        }

    def presence(self) -> Markup:
        """A strip for each sense, drawn where it was there."""
        chart = self._chart(ROW * len(self._digest.senses))
        for i, (name, colour) in enumerate(self._colours_in_order().items()):
            chart.label(ROW * i + ROW / 2, name)
            chart.strip(self._digest.times_s, self._digest.present[:, i], ROW * i + 4, hexadecimal(colour))
        return chart.svg("presence")

    def ages(self) -> Markup:
        """The age of each sense's newest reading on a logarithmic axis, and the age at which it counts as absent."""
        digest, height = self._digest, 160
        chart = self._chart(height)
        ages_ms = np.maximum(1e3 * digest.ages_s, 0.1)
        finite = ages_ms[np.isfinite(ages_ms)]
        top = max(3.0, math.ceil(math.log10(finite.max() * 1.2))) if finite.size else 3.0

        def y(age_ms: Any) -> Any:
            return height - 4 - (height - 10) * np.log10(np.maximum(age_ms, 1.0)) / top

        for power in range(int(top) + 1):
            chart.level(y(10.0**power), f"{10**power} ms" if power < 3 else f"{10 ** (power - 3)} s")
        for name in self._aging():
            chart.line(digest.times_s, y(ages_ms[:, digest.senses.names.index(name)]), self._colours[name])
            chart.level(y(1e3 * digest.max_age_s[name]), colour=self._colours[name])
        return chart.svg("ages")

    def gates(self) -> Markup:
        """How far each sense was let in."""
        chart, gates = self._chart(PLOT_PX), dict(zip(self._digest.senses, self._digest.gates.T, strict=True))
        chart.shares(self._digest.times_s, gates, self._colours)
        return chart.svg("gates")

    def actions(self) -> Markup:
        """A strip for each action, drawn where it was chosen; below them the safe action, if it ever was.

        Of very many actions the ones that were chosen most often are drawn, in their order.
        """
        names, chosen = self._digest.action_names, self._digest.actions
        often = np.argsort(-chosen[:, : len(names)].sum(axis=0), kind="stable")[:MAX_STRIPS]
        strips = [(names[number], number, ACTION) for number in sorted(often.tolist())]
        if self._digest.safe_ticks:
            strips.append(("safe action", len(names), SAFE_ACTION))
        chart = self._chart(ROW * len(strips))
        for row, (name, number, fill) in enumerate(strips):
            chart.label(ROW * row + ROW / 2, name)
            chart.strip(self._digest.times_s, chosen[:, number], ROW * row + 4, fill)
        return chart.svg("actions")

    def key(self) -> Markup:
        """The colours of all senses."""
        return key(self._colours_in_order())

    def aging_key(self) -> Markup:
        """The colours of those whose age is drawn."""
        return key({name: self._colours[name] for name in self._aging()})

    def _spectrogram(self, name: str, top_hz: float) -> Markup:
        chart, digest = self._chart(PLOT_PX), self._digest
        levels = (digest.loudness(name) - QUIET_DB) / -QUIET_DB
        levels[digest.present[:, digest.senses.names.index(name)] == 0] = math.nan
        chart.picture(png(heat(levels.T[::-1])))
        chart.label(8, f"{top_hz / 1000:g} kHz", "faint")
        chart.label(PLOT_PX - 6, "low", "faint")
        return chart.svg("spectrogram")

    def _chart(self, height: int) -> Chart:
        return Chart(self._digest.seconds, height)

    def _colours_in_order(self) -> dict[str, Any]:
        return {name: self._colours[name] for name in self._digest.senses}

    def _aging(self) -> list[str]:
        """Senses that grow old; others, an instruction for example, hold until there is something new."""
        return [name for name in self._digest.senses if self._digest.max_age_s.get(name, math.inf) < math.inf]
