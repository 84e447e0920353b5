"""JSON that somebody else may have written: read strictly, so that it means one thing and cannot hurt.

The library takes NaN and Infinity, lets 1e400 become infinite, keeps the last of two equal keys, and recurses as deep
as the text does. Here each of them is a `ValueError`.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 64
"""How deep lists and objects may stand in one another."""

MIN_WHOLE, MAX_WHOLE = -(2**63), 2**64 - 1
"""Whole numbers outside are none of ours."""


def parse(content: bytes | str) -> Any:
    """What a JSON text says.

    Args:
        content: UTF-8 where it is bytes.

    Raises:
        ValueError: it is no JSON, is nested deeper than `MAX_DEPTH`, names a key twice in one object, or has a number
            that is not finite, or a whole one beyond 64 bits.
    """
    text = content if isinstance(content, str) else content.decode("utf-8")
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_float=_number, parse_int=_whole, parse_constant=_constant
        )
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH}") from None
    if text.count("[") + text.count("{") > MAX_DEPTH:  # else it cannot be deeper
        _require_shallow(value)
    return value


def parse_object(content: bytes | str) -> dict[str, Any]:
    """The same, where it must be an object.

    Raises:
        ValueError: see `parse`, or it is none.
    """
    value = parse(content)
    if not isinstance(value, dict):
        raise ValueError(f"it holds a {type(value).__name__}, no object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it names {twice!r:.40} twice")
    return made


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text:.40} is too large")
    return number


def _whole(text: str) -> int:
    if len(text) > 20 or not MIN_WHOLE <= (number := int(text)) <= MAX_WHOLE:
        raise ValueError(f"the number {text:.40} is too large")
    return number


def _constant(text: str) -> float:
    raise ValueError(f"{text} is no number in JSON")


def _require_shallow(value: Any) -> None:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        level = [
            part
            for holder in level
            for part in (holder.values() if isinstance(holder, dict) else holder)
            if isinstance(part, (dict, list))
        ]
        if not level:
            return
    raise ValueError(f"it is nested deeper than {MAX_DEPTH}")


def seal_of(content: Mapping[str, Any]) -> str:
    """SHA-256 over a JSON object in its canonical form: a file that holds it as well tells whether it was changed."""
    plain = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(plain.encode()).hexdigest()
