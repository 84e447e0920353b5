"""Writes docs/results.md: a table for each question, made of the rows in benchmarks/results/.

python benchmarks/results_page.py            after a benchmark has written its rows with --rows
"""

import argparse
import math
import re
import statistics
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from parts.questions import SECTIONS, Question
from parts.result_rows import RESULTS, Result, read_results
from parts.shares import halves
from parts.tables import tell

PAGE = RESULTS.parents[1] / "docs" / "results.md"
WIDTH = 120
INTRODUCTION = """\
# Results

One table answers one question. A cell is the median of the seeds, with the lowest and the highest in parentheses, or a
single figure where there was one run; "-" means not reached, which a median counts as worst. Behind a success stands
half of its 95 % interval over episodes (Wilson, of one run), then, for several seeds, that of their mean over seeds
(Student); a difference within them is none beyond chance. Command, date and machine stand below each table, each seed's
figure in [benchmarks/results/](../benchmarks/README.md#rows-of-the-results-page), and the
[notebook](notebook/index.md) tells how it came about, shortfalls included. **No figure was taken on a GPU.**

`python benchmarks/results_page.py` generates this page.
"""


def page(rows_of: dict[str, list[Result]]) -> str:
    """The whole page.

    Args:
        rows_of: table -> its rows.
    """
    parts = [INTRODUCTION]
    for title, questions in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += [section(question, rows_of[question.table]) for question in questions]
    return "\n".join(parts)


def section(question: Question, rows: Sequence[Result]) -> str:
    """A question, its table, and where the figures come from."""
    told = textwrap.wrap(question.says, WIDTH, break_on_hyphens=False)
    lines = [f"### {question.asks}", "", *told, "", *table(question, rows), ""]
    for date, machine in dict.fromkeys((row.date, row.machine) for row in rows):
        commands = dict.fromkeys(row.command for row in rows if (row.date, row.machine) == (date, machine))
        lines += ["```sh", *(line for command in commands for line in wrapped(command)), "```", ""]
        lines += [f"{date}, {machine}.", ""]
    if question.picture:
        file, text = question.picture
        lines += [f"![{text}](pictures/{file})", ""]
    lines += [f"[How it came about](notebook/{question.notebook}.md)", ""]
    return "\n".join(lines)


def table(question: Question, rows: Sequence[Result]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [["", *question.columns]]
    for row in rows:
        columns = question.columns.items()
        lines.append([row.what, *(_cell(row.figures.get(name, ()), form, question, name) for name, form in columns)])
    head, *body = ["|" + "|".join(f" {text} " if text else " " for text in line) + "|" for line in lines]
    return [head, "|---" * len(lines[0]) + "|", *body]


def cell(values: Sequence[float | None], form: str) -> str:
    """The median and, where there are several figures, the least and the greatest; None counts as infinite."""
    if not values:
        return ""
    whole = sorted(math.inf if value is None else value for value in values)
    middle, least, greatest = (figure(value, form) for value in (statistics.median(whole), whole[0], whole[-1]))
    return middle if len(whole) == 1 else f"{middle} ({least} to {greatest})"


def _cell(values: Sequence[float | None], form: str, question: Question, name: str) -> str:
    """A cell, and of a success its two intervals."""
    widths = halves(values, question.episodes[name]) if name in question.episodes else []
    return " ".join([cell(values, form), *(f"±{figure(half, form)}" for half in widths)])


def figure(value: float, form: str) -> str:
    """A figure as the page writes it; shares lose the zero before their point."""
    if math.isinf(value):
        return "-"
    text = format(value, form)
    return text.removeprefix("0") if form == ".3f" else text


def wrapped(command: str) -> list[str]:
    """A shell command in lines that are not too long, broken before options and continued by a backslash."""
    lines = [""]
    for part in re.split(r" (?=--)", command):
        if lines[-1] and len(lines[-1]) + len(part) > WIDTH - 3:
            lines.append("   ")
        lines[-1] += f" {part}" if lines[-1] else part
    return [*(f"{line} \\" for line in lines[:-1]), lines[-1]]


def read_all(folder: Path = RESULTS) -> dict[str, list[Result]]:
    """Every table of the folder."""
    return {path.stem: read_results(path) for path in sorted(folder.glob("*.json"))}


def main() -> int:
    """Writes the page; 1 where `--check` finds another one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the page is out of date")
    options = parser.parse_args()
    text = page(read_all())
    if options.check:
        return int(PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    tell(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
