"""Every page: its links lead to files and headings that are there, and its lines can be read in a diff."""

import re

import pytest

from kit.markdown import ROOT, anchors, links, pages, references

ELSEWHERE = re.compile(r"[a-z]+:")
MAX_LINE, MAX_TABLE_ROW = 120, 250
READ_IN_DIFFS = [page for page in pages() if page.parent == ROOT / "benchmarks" or page.is_relative_to(ROOT / "docs")]
READ_IN_DIFFS += [ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md")]


def dead_links(page, text: str) -> list[str]:
    """Links of a page to files or headings that are not there; addresses in the network are not looked at."""
    dead = []
    for target in links(text):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve()
        if ELSEWHERE.match(target):
            continue
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8") if path else text)):
            dead.append(target)
    return dead


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    assert dead_links(page, page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line", ["[a](none.md)", "![a](none.png)", "[a](README.md#none)", "[a](#none)", "[a][b]\n\n[b]: none.md"]
)
def test_a_dead_link_is_found(line):
    assert len(dead_links(ROOT / "page.md", f"# Here\n\n{line}\n")) == 1


@pytest.mark.parametrize(
    "line", ["[a](LICENSE)", "[a](#here)", "`[a](none.md)`", "```\n[a](none.md)\n```", "[a](https://example.org/none)"]
)
def test_other_links_pass(line):
    assert dead_links(ROOT / "page.md", f"# Here\n\n{line}\n") == []


def long_lines(text: str) -> list[int]:
    """Numbers of the lines that are too long; pictures and definitions of links cannot be broken."""
    numbers = []
    for number, line in enumerate(text.splitlines(), 1):
        most = MAX_TABLE_ROW if line.startswith("|") else MAX_LINE
        if len(line) > most and not line.startswith("![") and not references(line):
            numbers.append(number)
    return numbers


@pytest.mark.parametrize("page", READ_IN_DIFFS, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_line_is_too_long_for_a_diff(page):
    assert long_lines(page.read_text(encoding="utf-8")) == []


def test_a_long_line_is_found():
    word, row = "word " * 25, f"| {'cell ' * 50}|"
    assert long_lines(f"# Title\n\n{word}\n") == [3]
    assert long_lines(f"{row}\n| {word}|\n") == [1]
    assert long_lines(f"![{word}](a.png)\n[a]: {'b' * 130}\n") == []
