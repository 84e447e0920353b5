"""Grids of an observation, condensed: equal cells at equal places are told once, and by number where they are seen.

Most cells of a view are alike: in 100,000 cells of 2,048 views of one room some 300 differ. Who perceives many views at
once, as a trainer does, has each of them encoded once. What is absent is zeros before it is counted.

b batch, m modalities
"""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from ..modules import NamedModules
from ..spec import DISTINCT_SUFFIX, NUMBERS_SUFFIX, PRESENT
from .grid import GridEncoder

WORTH = 4
"""Cells that are perceived at a time for each distinct one, at least; with fewer the picking costs what it saves."""


def can_condense(encoder: nn.Module) -> bool:
    """Whether it is our own grid encoder; one derived from it may do more with a cell than that one knows."""
    return type(encoder) is GridEncoder


@torch.no_grad()
def condense(encoders: NamedModules, obs: Mapping[str, Tensor], samples: int) -> dict[str, Tensor]:
    """See `Perception.condense`.

    Args:
        encoders: of all modalities, in the spec's order.
        obs: readings; `present` (b, m) may be among them.
        samples: how many are perceived at a time.
    """
    condensed = dict(obs)
    for number, (name, encoder) in enumerate(encoders.items()):
        if name not in obs or not can_condense(encoder) or obs[name].is_floating_point():
            continue
        cells = obs[name]
        if PRESENT in obs:
            here = obs[PRESENT][:, number] > 0.5
            cells = cells * here.to(cells.dtype)[:, None, None, None]
        found = cast(GridEncoder, encoder).distinct(cells)
        if found is None:
            continue
        numbers, distinct = found
        if len(distinct) * WORTH <= samples * numbers.shape[1]:
            del condensed[name]
            condensed |= {name + NUMBERS_SUFFIX: numbers, name + DISTINCT_SUFFIX: distinct}
    return condensed
