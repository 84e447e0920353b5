"""The page about what a policy does with its senses: one HTML file that needs nothing else, for screens of any size.

It is made of what `explain` found, as plain values, and of the steps of an episode. It measures nothing itself.
"""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from ..show import explain_charts
from ..show.charts import png
from ..show.moment import Picture
from .pictures import AGAINST, FOR, GLOW, WeighedWord
from .scenes import Scene, SenseView, ShownEpisode
from .shapley import Estimate
from .verdict import FEW_EPISODES, NEGLIGIBLE_NATS, NEGLIGIBLE_SHARE, Verdict

STYLE = """
:root{--ink:#202124;--faint:#5f6368;--paper:#f8f8f6;--card:#fff;--rule:#c9ccd0;--warn:#fdecea;--warned:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--faint:#a5abb3;--paper:#17191c;--card:#202327;--rule:#4a4f57;
--warn:#3a1d1b;--warned:#ff9d94}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:760px;margin:0 auto;
padding:1rem;overflow-wrap:anywhere}
h1{font-size:1.45rem;margin:.5rem 0 .2rem}h2{font-size:1.15rem;margin:2.2rem 0 .3rem}h3{font-size:1rem;margin:.1rem 0}
p{margin:.3rem 0 .7rem}.faint,figcaption,th{color:var(--faint);font-size:.86rem}
.verdict{font-size:1.15rem;font-weight:600}ul{margin:.3rem 0;padding-left:1.2rem}
.warning{background:var(--warn);color:var(--warned);border-left:4px solid;padding:.5rem .8rem;margin:.5rem 0;
font-weight:600}
svg{width:100%;max-width:620px;display:block;font:14px system-ui,sans-serif}svg text{fill:var(--ink)}
svg .rule{stroke:var(--rule);fill:none}svg .ink{stroke:var(--ink);stroke-width:1.6;fill:none}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem}
td,th{text-align:right;padding:3px 8px;border-bottom:1px solid var(--rule);font-variant-numeric:tabular-nums;
white-space:nowrap}td:first-child,th:first-child{text-align:left;padding-left:0;white-space:normal;min-width:7em}th{font-weight:normal}
.scene{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:.7rem .9rem;margin:.7rem 0}
.views{display:flex;flex-wrap:wrap;gap:8px;margin:.2rem 0 .6rem}figure{margin:0;width:160px;max-width:30%}
figure img{width:100%;display:block;image-rendering:pixelated;border-radius:3px}figcaption{line-height:1.25}
.words{font-size:1.05rem;line-height:1.9;margin:.1rem 0}
.words span{border-radius:3px;padding:.12em 0;white-space:pre-wrap}
.key span{margin-right:1rem;font-size:.9rem}.key i{display:inline-block;width:12px;height:12px;margin-right:5px}
code{font-size:.9em}
"""


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
    sections = [
        _verdict(result, verdicts),
        _subsets(result),
        _shapley(result, estimates),
        "" if shown is None else _gates(shown),
        "" if shown is None else _scenes(shown),
        _attributions(result),
        _how_to_read(result),
    ]
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>senseweave: which senses it uses</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><style>{STYLE}</style></head>'
        f"<body>{''.join(sections)}</body></html>\n"
    )


def _verdict(result: Mapping[str, Any], verdicts: Sequence[Verdict]) -> str:
    facts = (
        f"{result['run']}, trained for {result['trained_steps']:,} steps; {result['episodes']:,} held-out episodes of "
        f"{result['env']} with each subset of senses, {result['policy']} actions."
    )
    if result["removed"]:
        facts += f" Taken away throughout: {', '.join(result['removed'])}."
    told = "".join(f"<li>{html.escape(verdict.sentence)}</li>" for verdict in verdicts)
    warnings = "".join(f'<p class="warning">{html.escape(warning)}</p>' for warning in result["warnings"])
    return (
        f'<h1>Which senses it uses</h1><p class="faint">{html.escape(facts)}</p>'
        f'<p class="verdict">{html.escape(result["verdict"])}</p>{warnings}<ul>{told}</ul>'
        '<p class="faint">In brackets: 95 % intervals, by bootstrap over episodes.</p>'
    )


def _subsets(result: Mapping[str, Any]) -> str:
    has_bot = result["bot_mean_length"] is not None
    head = "<tr><th>senses</th><th>success</th><th>95 %</th><th>return</th><th>length</th>"
    head += "<th>x expert</th></tr>" if has_bot else "</tr>"
    rows = []
    for row in result["subsets"]:
        name = " + ".join(row["senses"]) or "none"
        interval = row["success_interval"]
        cells = [
            _number(row["success_rate"], ".3f"),
            "-" if interval is None else f"{interval[0]:.2f} to {interval[1]:.2f}",
            _number(row["mean_return"], ".3f"),
            _number(row["mean_length"], ".1f"),
        ]
        if has_bot:
            cells.append(_number(row["length_over_bot"], ".2f"))
        rows.append(f"<tr><td>{html.escape(name)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return (
        "<h2>Success with each subset of senses</h2>"
        '<p class="faint">The same episodes in every row; a sense that is not named is absent from begin to end.</p>'
        f'<div class="wide"><table>{head}{"".join(rows)}</table></div>'
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _shapley(result: Mapping[str, Any], estimates: Mapping[str, Mapping[str, Estimate]]) -> str:
    if not estimates["results"]:
        return ""
    measure = result["shapley"]["measure"]
    charts = (
        (
            "results",
            f"On {measure}",
            f"What each sense adds to the mean {measure}, on average over all orders in which the senses may join. "
            "Together they make the difference between all senses and none.",
        ),
        (
            "choices",
            "On the choices, in nats",
            "How far the choices move when the sense is taken from single decisions "
            f"({result['shapley']['decisions']:,} of them): by Kullback-Leibler divergence from the choices with all "
            "senses. What a memory carried into the step stays.",
        ),
        ("log_probability", "On the action that was taken, in nats", "The same for that action's log-probability."),
    )
    told = "".join(
        f'<h3>{title}</h3><p class="faint">{words}</p>{explain_charts.bars(estimates[name], title)}'
        for name, title, words in charts
    )
    return f"<h2>Shapley values</h2>{told}"


def _gates(shown: ShownEpisode) -> str:
    if not shown.gates:
        return ""
    colours = {name: number for number, name in enumerate(shown.gates)}
    end = {None: "", True: ", a success", False: ", a failure"}[shown.is_success]
    about = f"Held-out episode {shown.number + 1}{end}, {shown.steps:,} steps; 0 is shut out, 1 is let in."
    kept = len(next(iter(shown.gates.values())))
    if kept < shown.steps:
        about += f" The first {kept:,} are shown."
    return (
        f'<h2>Gates over time</h2><p class="faint">{about}</p>{explain_charts.key(colours)}'
        f"{explain_charts.curves(shown.gates, 'gates over the steps of an episode', colours)}"
    )


def _scenes(shown: ShownEpisode) -> str:
    note = (
        f"Steps of the same episode. {_swatch(GLOW)} where the policy looked; {_swatch(FOR)} what spoke for its "
        f"action, {_swatch(AGAINST)} what spoke against it (integrated gradients). Colours are relative: the strongest "
        "place of each picture has the full colour. Of a sound: time runs to the right, low tones are below, one "
        "channel under the other; the strip beneath shows the tokens."
    )
    return f'<h2>Where it looked, and what moved it</h2><p class="faint">{note}</p>{"".join(map(_scene, shown.scenes))}'


def _scene(scene: Scene) -> str:
    chance = "" if scene.probability is None else f", probability {scene.probability:.2f}"
    senses = "".join(_sense(view) for view in scene.senses)
    title = f"Step {scene.step}: {html.escape(scene.action)}{chance}"
    return f'<div class="scene"><h3>{title}</h3>{senses}</div>'


def _sense(view: SenseView) -> str:
    told = f"{html.escape(view.name)}: gate {view.gate:.2f}, {view.attributed:+.2f} nats"
    if not view.is_present:
        return f'<p class="faint">{html.escape(view.name)}: absent</p>'
    figures = [
        _figure(picture, caption)
        for picture, caption in (
            (view.reading, "sensed"),
            (view.attention, "looked at"),
            (view.attribution, "for, against"),
        )
        if picture is not None
    ]
    words = ""
    if view.attended_words:
        words += _words("looked at", view.attended_words, GLOW)
    if view.attributed_words:
        words += _words("for, against", view.attributed_words, FOR)
    pictures = f'<div class="views">{"".join(figures)}</div>' if figures else ""
    return f'<p class="faint">{told}</p>{pictures}{words}'


def _figure(picture: Picture, caption: str) -> str:
    return f'<figure><img alt="" src="{png(picture)}"><figcaption>{caption}</figcaption></figure>'


def _words(caption: str, words: Sequence[WeighedWord], above: tuple[int, int, int]) -> str:
    parts = []
    for word in words:
        red, green, blue = above if word.weight >= 0 else AGAINST
        share = 0.55 * min(1.0, abs(word.weight))
        parts.append(f'<span style="background:rgba({red},{green},{blue},{share:.2f})">{html.escape(word.text)}</span>')
    return f'<p class="words">{"".join(parts)} <small class="faint">{caption}</small></p>'


def _swatch(colour: tuple[int, int, int]) -> str:
    return f'<i style="display:inline-block;width:.8em;height:.8em;background:rgb{colour}"></i>'


def _attributions(result: Mapping[str, Any]) -> str:
    found = result["attributions"]
    if not found["senses"]:
        return ""
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{part['absolute']:.3f}</td><td>{100 * part['share']:.0f} %</td>"
        f"<td>{part['signed']:+.3f}</td></tr>"
        for name, part in found["senses"].items()
    )
    return (
        "<h2>Integrated gradients</h2>"
        '<p class="faint">What the tokens of each sense added to the log-probability of the action that was taken, in '
        f"nats, against the usual tokens of that sense; the mean over {found['decisions']:,} decisions. All that is "
        "attributed to a decision sums to what its log-probability gained; the largest gap was "
        f"{found['largest_gap']:.2g} nats.</p>"
        '<div class="wide"><table><tr><th>sense</th><th>sum of sizes</th><th>share</th><th>signed sum</th></tr>'
        f"{rows}</table></div>"
    )


def _how_to_read(result: Mapping[str, Any]) -> str:
    measure = result["shapley"]["measure"]
    items = (
        f"A policy <b>uses</b> a sense when the 95 % interval of its Shapley value on {measure} lies above 0. The "
        "interval comes from drawing the episodes anew, 2,000 times or fewer where there are very many, each with what "
        "it gave in every subset.",
        "It <b>ignores</b> a sense when that interval includes 0 and its Shapley value on the choices is noise as "
        f"well: its interval includes 0, or both ends are nearer to 0 than the greater of {NEGLIGIBLE_NATS:g} nats and "
        f"{100 * NEGLIGIBLE_SHARE:g} % of what all senses do together. In between it <b>reacts</b> to the sense "
        "without a gain that could be measured: more episodes may show one.",
        "Shapley values share out what senses do together. Where a sense says the same as another, both get half; "
        "where two are needed together, both get half of what they reach.",
        "To take a sense away is to tell the policy that it is absent. One that never met that in training may stumble "
        "over the absence itself; train with <code>--modality-dropout</code> to tell the two apart.",
        "Gates and attention say what was let in and looked at, not what it changed; the Shapley values and integrated "
        "gradients say that.",
    )
    rough = ""
    if result["episodes"] < FEW_EPISODES:
        rough = f"<p>With {result['episodes']} episodes the intervals are rough; take --episodes 200 or more.</p>"
    return f"<h2>How to read this</h2>{rough}<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"
