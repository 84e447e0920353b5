"""`Observation`: what every environment of this package emits: one numpy array for each sense, and `present`."""

from typing import Any

from numpy.typing import NDArray

Observation = dict[str, NDArray[Any]]
