"""What every environment of this package emits and, in Rooms and MiniGrid, takes: `Observation` and the actions."""

from typing import Any

from numpy.typing import NDArray

Observation = dict[str, NDArray[Any]]
"""One array for each sense, as the Spec says, and `present`."""

ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")
"""The actions 0..6 of MiniGrid, and so of Rooms; MiniGrid's environments with fewer actions have the first ones."""
