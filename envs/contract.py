"""What every environment of this package emits and, in Rooms and MiniGrid, takes: `Observation` and the actions."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

Observation = dict[str, NDArray[Any]]
"""One array for each sense, as the Spec says, and `present`."""

ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")
"""The actions 0..6 of MiniGrid, and so of Rooms; MiniGrid's environments with fewer actions have the first ones."""


def text_key(name: str) -> str:
    """Where `info` holds the text of an instruction; no key of `info` has the name of a sense."""
    return f"{name}_text"


def text_in(info: Mapping[str, Any], name: str = "instruction") -> str | None:
    """The text of an instruction; also of an environment that still has it under the sense's own name, as in 0.1."""
    text = info.get(text_key(name), info.get(name))
    return None if text is None else str(text)
