"""The page about what a policy does with its senses: one HTML file that needs nothing else, for screens of any size.

It is made of what `explain` found, as plain values, and of the steps of an episode. It measures nothing itself; the
words and the markup are in show/templates/explain.html.j2.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from ...envs.rooms.render.canvas import FAINT, Colour
from ..play.chance import told
from ..show.charts import Bar, Chart, bars, key
from ..show.pages import render
from ..show.palette import NEUTRAL, sense_colours
from .pictures import AGAINST, FOR, GLOW
from .scenes import ShownEpisode
from .shapley import Estimate
from .verdict import FEW_EPISODES, NEGLIGIBLE_NATS, NEGLIGIBLE_SHARE, Verdict

MAX_TINT = 0.55
"""How strongly the word with the greatest weight is coloured, 0..1."""


def page(
    result: Mapping[str, Any],
    verdicts: Sequence[Verdict],
    estimates: Mapping[str, Mapping[str, Estimate]],
    shown: ShownEpisode | None,
) -> str:
    """The whole page as text.

    Args:
        result: what `explain --json` prints.
        verdicts: one for each sense.
        estimates: "results" and "choices" and "log_probability", each by sense.
        shown: the episode to show; None where nothing can be drawn.

    Raises:
        MissingExtraError: cv2 cannot be imported.
    """
    return render(
        "explain.html.j2",
        result=result,
        verdicts=verdicts,
        has_bot=result["bot_mean_length"] is not None,
        measure=result["shapley"]["measure"],
        success=_success(result["subsets"]),
        shapley=_shapley(estimates) if estimates["results"] else None,
        gates=None if shown is None else _gates(shown),
        shown=shown,
        tint=_tint,
        told=told,
        GLOW=GLOW,
        FOR=FOR,
        AGAINST=AGAINST,
        FEW_EPISODES=FEW_EPISODES,
        NEGLIGIBLE_NATS=NEGLIGIBLE_NATS,
        NEGLIGIBLE_SHARE=NEGLIGIBLE_SHARE,
    )


def _success(rows: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Success with all senses, without each, and with none; None where success is not defined."""
    everything = max((row["senses"] for row in rows), key=len)
    colours, named, drawn = sense_colours(everything), {}, {}
    for row in rows:
        missing = [name for name in everything if name not in row["senses"]]
        if row["success_rate"] is None:
            return None
        if not missing:
            name, colour = "all senses", NEUTRAL
        elif not row["senses"]:
            name, colour = "no sense", FAINT
        elif len(missing) == 1:
            name, colour = f"without {missing[0]}", colours[missing[0]]
        else:
            continue
        named[name] = Bar(row["success_rate"], f"{row['success_rate']:.3f}", tuple(row["success_interval"]))
        drawn[name] = colour
    return bars(named, "success without each sense", drawn, top=1.0)


def _shapley(estimates: Mapping[str, Mapping[str, Estimate]]) -> dict[str, Markup]:
    titles = {"results": "on results", "choices": "on the choices", "log_probability": "on the action that was taken"}
    colours: dict[str, Colour] = sense_colours(estimates["results"])
    return {
        kind: bars({name: _bar(part) for name, part in estimates[kind].items()}, f"Shapley values {title}", colours)
        for kind, title in titles.items()
    }


def _bar(part: Estimate) -> Bar:
    return Bar(part.value, f"{part.value:+.3f}", part.interval)


def _gates(shown: ShownEpisode) -> dict[str, Any] | None:
    """The gates over the steps that were kept; None for a policy without gates."""
    if not shown.gates:
        return None
    colours, steps = sense_colours(shown.gates), len(next(iter(shown.gates.values())))
    chart = Chart(max(1, steps - 1), 130, lambda step: f"{step:g}" if step.is_integer() else "")
    chart.shares(np.arange(steps, dtype=np.float64), {k: np.array(v) for k, v in shown.gates.items()}, colours)
    return {"steps": steps, "key": key(colours), "chart": chart.svg("gates over the steps of an episode")}


def _tint(weight: float, above: Colour) -> str:
    """The background of a word, from its weight of -1..1."""
    red, green, blue = above if weight >= 0 else AGAINST
    return f"rgba({red},{green},{blue},{MAX_TINT * min(1.0, abs(weight)):.2f})"
