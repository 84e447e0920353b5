"""`shown`: anybody's text, made fit for a terminal, a page and a sentence.

An instruction, a device's name, a path or a library's message may hold escape codes that retitle a terminal or clear
it, marks that turn the direction of what follows, or a book. Whoever prints a text that is not his own prints `shown`
of it.
"""

import re

LIMIT = 240
"""How many characters of a text are shown where nobody says otherwise."""

_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: escape codes of terminals
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that turn the direction of what follows
    "\u00ad\u180e\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff"  # unseen
    "\ud800-\udfff]"  # halves of characters, which cannot be printed
)


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
    content = _HIDDEN.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), content)
    return content if limit is None or len(content) <= limit else f"{content[: max(0, limit - 1)]}…"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
