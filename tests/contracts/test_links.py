"""Every page: what its links name exists, and headings that they point at are there."""

import re

import pytest

from kit.markdown import ROOT, anchors, links, pages

ELSEWHERE = re.compile(r"[a-z]+:")


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
