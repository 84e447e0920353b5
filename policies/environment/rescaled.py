"""`Looker`: sees that somebody rescaled a sense of whole numbers, which no space tells: `VecNormalize` over tokens.

b batch
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ...perception.errors import ObservationError
from ...perception.spec import PRESENT, Spec


class Looker:
    """Looks at the 1st, 2nd, 4th, 8th ... observation that it is shown: a look at each would wait for the device.

    Args:
        spec: the senses.
    """

    def __init__(self, spec: Spec) -> None:
        self._limits = {
            name: (number, int(kind.space().low.min()), int(kind.space().high.max()))
            for number, (name, kind) in enumerate(spec.items())
            if np.issubdtype(kind.dtype, np.integer)
        }
        self._seen = 0

    def look(self, observation: Mapping[str, Tensor]) -> None:
        """Looks, if it is time.

        Raises:
            ObservationError: a sense of whole numbers that is here holds others, or such that it does not know.
        """
        if torch.compiler.is_compiling():
            return
        self._seen += 1
        if self._seen & (self._seen - 1):
            return
        for name, (number, low, high) in self._limits.items():
            readings = observation.get(name)
            if readings is None or readings.dtype in (torch.uint8, torch.bool):
                continue
            rows, present = readings.detach().flatten(1), observation.get(PRESENT)
            if present is not None:
                rows = rows[present[:, number] > 0.5]
            if rows.is_floating_point():
                rows = rows[torch.isfinite(rows).all(dim=1)]  # a row that is not finite is absent
            if not rows.numel() or _fits(rows, low, high):
                continue
            raise ObservationError(
                f'"{name}" must hold whole numbers within {low}..{high}; got {float(rows.min()):g}..'
                f"{float(rows.max()):g}{'' if _are_whole(rows) else ', not all of them whole'}: somebody rescales it. "
                f'Leave "{name}" out of norm_obs_keys, or leave out the wrapper that rescales it.'
            )


def _fits(rows: Tensor, low: int, high: int) -> bool:
    return bool(((rows >= low) & (rows <= high)).all()) and _are_whole(rows)


def _are_whole(rows: Tensor) -> bool:
    return not rows.is_floating_point() or bool((rows == rows.round()).all())
