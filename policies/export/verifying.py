"""Whether a file answers as the networks do: asked once, before it is written.

b rows, m modalities
"""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from ...perception.errors import ExportError
from ...perception.spec import PRESENT
from .arrays import Run
from .graph import MEMORY, START, Graph

ROWS = 8
MAX_DIFFERENCE = 1e-3
"""In parts of an output's largest number, but at least of 1: a graph that differs more was made of something else."""


def require_alike(graph: Graph, run: Run) -> float:
    """Gives both the same random readings, some senses absent, one row with none.

    Returns:
        The largest difference between any two outputs, in parts of the output's largest number where that is above 1.

    Raises:
        ExportError: it is too large, or something is not finite.
    """
    given = _drawn(graph)
    with torch.no_grad():
        right = graph(*(torch.from_numpy(given[name]) for name in graph.inputs))
    found, largest = run(given), 0.0
    for name, wanted in zip(graph.outputs, right, strict=True):
        gap = np.abs(found[name].astype(np.float64) - wanted.numpy()).max() / max(1.0, float(wanted.abs().max()))
        if found[name].shape != tuple(wanted.shape) or not gap <= MAX_DIFFERENCE:
            raise ExportError(
                f'The exported graph gives another "{name}" than torch, by {gap:.2g}: an encoder or fusion of your own '
                "may decide by values, by the batch's size or at random; take that out of it."
            )
        largest = max(largest, float(gap))
    return largest


def _drawn(graph: Graph) -> dict[str, np.ndarray]:
    """`ROWS` random readings for each input; other rows than were traced."""
    random, given = np.random.default_rng(0), dict[str, Any]()
    spec = graph.perception.spec
    for name, example in graph.inputs.items():
        if name in spec:
            box: spaces.Box = spec[name].space()
            box.seed(1)
            given[name] = np.stack([box.sample() for _ in range(ROWS)]).astype(box.dtype)
        elif name == PRESENT:
            given[name] = random.random((ROWS, len(spec))) < 0.7
            given[name][0], given[name][-1] = True, False
        elif name == START:
            given[name] = np.arange(ROWS) % 3 == 0
        elif name == MEMORY:
            given[name] = random.uniform(-1.0, 1.0, (ROWS, *example.shape[1:])).astype(np.float32)
        else:  # a number beside a reading: all of it counts
            given[name] = np.full(ROWS, 2**31 - 1)
    return given
