"""Addresses as people type them: "zed:0" has a scheme, which is a name in a table of ours; "clip.mp4" has none."""

import re
from typing import Any

from ...perception.registry import Registry

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9_+.-]+):(?!//|\s)(.*)", re.DOTALL)
"""Of two letters at least, as "C:" is a disk. Not "http://", which is an address itself, nor a colon in a sentence."""


def split_scheme(address: str, table: Registry[Any]) -> tuple[str | None, str]:
    """Scheme and rest of an address, "zed" and "0"; None and the whole address where the table has no such scheme."""
    match = _SCHEME.fullmatch(address)
    return (match[1], match[2]) if match is not None and match[1] in table else (None, address)


def unknown_scheme(address: str, table: Registry[Any]) -> str | None:
    """The scheme that an address seems to have though the table has none of that name."""
    match = _SCHEME.fullmatch(address)
    return match[1] if match is not None and match[1] not in table else None
