"""Reads Markdown pages as the tests need them: their code blocks, their links, and the anchors of their headings."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^( *)```([\w-]*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_INLINE_LINK = re.compile(r"!?\[(?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*\]\(([^)\s]+)\)")
_REFERENCE = re.compile(r"^\[([^\]]+)\]: (\S+)$", re.MULTILINE)


def pages() -> list[Path]:
    """Every Markdown page of the repository, new ones too."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return sorted(path for path in paths if path.is_file())


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks in a language, in their order."""
    return [body for _, name, body in _FENCE.findall(text) if name == language]


def without_blocks(text: str) -> str:
    """The page with its fenced blocks emptied; the numbers of its lines stay."""
    return _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)


def references(text: str) -> dict[str, str]:
    """What `[name]: target` lines define."""
    return dict(_REFERENCE.findall(without_blocks(text)))


def links(text: str) -> list[str]:
    """Targets of links and pictures: inline ones and those of references."""
    plain = re.sub(r"`[^`\n]*`", "``", without_blocks(text))
    return [*_INLINE_LINK.findall(plain), *references(text).values()]


def anchors(text: str) -> set[str]:
    """What a link may name after "#": the headings as GitHub (and MyST) write them, repeated ones with a number."""
    seen: dict[str, int] = {}
    found = set()
    for title in re.findall(r"^#+ +(.*?)\s*$", without_blocks(text), re.MULTILINE):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if slug in seen else slug)
        seen[slug] = seen.get(slug, 0) + 1
    return found
