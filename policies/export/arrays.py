"""What goes into a graph and comes out of it: arrays by name.

Apart from formats.py, which a command line reads before numpy is there.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.generic]]
"""Name of an input or output -> array, batch first."""

Run = Callable[[Mapping[str, NDArray[np.generic]]], Arrays]
"""Runs the graph: its inputs by name in, its outputs by name out."""
