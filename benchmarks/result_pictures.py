"""The pictures of results, drawn from the rows in benchmarks/results/, all in one style.

    python benchmarks/result_pictures.py                               all of them again, into docs/pictures/
    python benchmarks/result_pictures.py --only unplugged-chart        README's

`fusions.py` draws its own with `--plot`, as its table keeps the single seeds of one column only.
"""

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from parts.result_rows import RESULTS, Result, read_results
from parts.tables import tell

from senseweave.agent.show.palette import SENSES, hexadecimal
from senseweave.agent.show.plots import CHANCE, SERIES, plot
from senseweave.envs.rooms.render.canvas import INK

PICTURES = RESULTS.parents[1] / "docs" / "pictures"
CASES = ("all senses", "without audio", "without camera", "without instruction")
DOT = "#20212488"
GUESS = 1 / 3
"""Success in Seek of who knows where three things are and not which of them is meant: at most."""


def draw_unplugged(tables: Mapping[str, Sequence[Result]], path: Path) -> None:
    """Success with all senses and without each, beside a concatenation of the senses taught as long as ours."""
    short = {row.what: row.figures for row in tables["fusions-reinforced"]}
    series = {
        "senseweave, make train (750,000 steps)": {row.what: row.figures["sampled"] for row in tables["main-job"]},
        "senseweave, 300,000 steps": short["gated_cross_attention"],
        "the senses concatenated, 300,000 steps": short["concat"],
    }
    whole = [hexadecimal(SENSES.get(case.removeprefix("without "), INK)) for case in CASES]
    colours = [whole, [f"{colour}80" for colour in whole], ["#c4c8cc"] * len(CASES)]
    with plot(path, 8, 4.6) as axes:
        for number, ((label, figures), fills) in enumerate(zip(series.items(), colours, strict=True)):
            places = [case + 0.27 * (number - 1) for case in range(len(CASES))]
            values = [statistics.median(figures[case]) for case in CASES]
            axes.barh(places, values, height=0.24, color=fills, label=label)
            for place, value, case in zip(places, values, CASES, strict=True):
                axes.plot(
                    figures[case], [place] * len(figures[case]), ".", color=hexadecimal(INK), alpha=0.7, markersize=4
                )
                axes.text(max(figures[case]) + 0.012, place, f"{value:.2f}", va="center", fontsize=10)
        axes.axvline(GUESS, color=hexadecimal(INK), linestyle=":", linewidth=1.5)
        axes.text(GUESS + 0.008, -0.53, "a guess: at most 1/3", fontsize=10)
        axes.set(xlim=(0, 1), ylim=(3.45, -0.7), xlabel="success in 512 rooms that training never showed")
        axes.set_yticks(range(len(CASES)), CASES)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.figure.legend(loc="outside lower center", ncols=1)


def draw_fusions(results: Sequence[Result], title: str, path: Path, chance: float) -> None:
    """Success of every fusion in every case: a row a fusion, the first on top, a panel a case, a dot a seed."""
    cases = [column for column in results[0].figures if column != "time"]
    with plot(path, 1.6 + 1.7 * len(cases), 1.4 + 0.32 * len(results), len(cases), sharey=True, squeeze=False) as rows:
        for axes, case in zip(rows[0], cases, strict=True):
            axes.axvline(chance, color=CHANCE, linewidth=1, linestyle=":")
            for place, result in enumerate(results):
                values = result.figures[case]
                axes.plot(values, [place] * len(values), "o", color=SERIES[0], alpha=0.45)
                axes.plot(statistics.median(values), place, "|", color=SERIES[0], markersize=12, markeredgewidth=2.5)
            axes.set(xlim=(0, 1), title=case)
            axes.grid(axis="y", visible=False)
        rows[0][0].set_yticks(range(len(results)), [result.what for result in results])
        rows[0][0].invert_yaxis()
        rows[0][0].figure.suptitle(title, fontsize=11)


def draw_missing_senses(results: Sequence[Result], path: Path) -> None:
    """Success against the part of the time that each sense is gone: medians as lines, seeds as dots."""
    with plot(path, 6.8, 4.4) as axes:
        for result, colour in zip(results, SERIES, strict=False):
            rates = [float(column.removesuffix(" %")) / 100 for column in result.figures]
            axes.plot(rates, list(map(statistics.median, result.figures.values())), color=colour, label=result.what)
            for rate, values in zip(rates, result.figures.values(), strict=True):
                axes.plot([rate] * len(values), values, "o", color=colour, alpha=0.6, markersize=4)
        axes.axhline(GUESS, color=CHANCE, linewidth=1, linestyle=":", label="a guess")
        axes.set(
            xlabel="part of the time that each sense is gone", ylabel="success in Seek, held-out rooms", ylim=(0, 1)
        )
        axes.legend()


def draw_rooms_speed(results: Sequence[Result], path: Path) -> None:
    """Microseconds per environment step against the number of environments, both axes logarithmic."""
    points: dict[str, list[tuple[int, float]]] = {}
    for result in results:
        label, _, count = result.what.rpartition(", ")
        time_us = 1e6 / statistics.median(result.figures["steps/s"])
        points.setdefault(label, []).append((int(count.replace(",", "")), time_us))
    with plot(path, 7.4, 4.4) as axes:
        for label, line in points.items():
            if len(line) > 1:
                axes.plot(*zip(*line, strict=True), "o-", label=label)
        largest = max(count for line in points.values() for count, _ in line)
        for label, line in points.items():
            if len(line) == 1:
                axes.axhline(line[0][1], color=CHANCE, linewidth=1, linestyle=":")
                axes.text(1.2 * largest, line[0][1], label, fontsize=10, va="bottom", ha="right")
        axes.set(xscale="log", yscale="log", xlabel="environments", ylabel="microseconds per environment step")
        axes.legend(loc="lower left")


PICTURE_OF: dict[str, Callable[[Mapping[str, Sequence[Result]], Path], None]] = {
    "unplugged-chart": draw_unplugged,
    "missing-senses": lambda tables, path: draw_missing_senses(tables["missing-senses"], path),
    "rooms-speed": lambda tables, path: draw_rooms_speed(tables["rooms-speed"], path),
}
"""Picture -> what draws it from all tables."""


def main(only: list[str], out: Path) -> None:
    """Draws pictures from the rows that are kept."""
    tables = {path.stem: read_results(path) for path in sorted(RESULTS.glob("*.json"))}
    for name in only:
        PICTURE_OF[name](tables, out / f"{name}.png")
        tell(f"wrote {out / name}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=list(PICTURE_OF), choices=PICTURE_OF, help="all, if left out")
    parser.add_argument("--out", type=Path, default=PICTURES, metavar="DIR")
    main(**vars(parser.parse_args()))
