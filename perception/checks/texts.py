"""`shown`: anybody's text, made fit for a terminal, a page and a sentence.

An instruction, a device's name, a path or a library's message may hold escape codes that retitle a terminal or clear
it, marks that turn the direction of what follows, or a book. Whoever prints a text that is not his own prints `shown`
of it.
"""

import unicodedata

LIMIT = 240
"""How many characters of a text are shown where nobody says otherwise."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode's categories of what has no picture: controls, marks of direction and other formats, halves of characters,
private ones, separators of lines."""

_JOINERS = frozenset("\u200c\u200d")
"""Formats that words of some languages, and pictures, are spelled with."""


def shown(text: object, limit: int | None = LIMIT, *, keep: str = "") -> str:
    r"""A text in which nothing is hidden: control characters stand as their escapes ("\x1b"), and its end is cut.

    Args:
        text: anything; what is no string is turned into one.
        limit: characters of the result; what is longer ends in "…". None is no limit.
        keep: control characters that are fine here, such as a page's "\n".
    """
    content = str(text)
    if limit is not None and len(content) > limit:
        content = content[: limit + 1]  # an escape is longer than what it stands for: more is never shown
    if not content.isprintable():
        content = "".join(character if _is_fine(character, keep) else _escape(character) for character in content)
    return content if limit is None or len(content) <= limit else f"{content[: max(0, limit - 1)]}…"


def _is_fine(character: str, keep: str) -> bool:
    return character in keep or character in _JOINERS or unicodedata.category(character) not in _HIDDEN


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
