"""`BrightnessLooker`: sees frames of floats in 0..1, as torchvision makes them, which would pass for black.

b batch
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import ObservationError
from ..spec import PRESENT, Camera, Spec


class BrightnessLooker:
    """Looks at the first frames of floats that tell something, camera by camera, and then never again.

    Args:
        spec: the senses.
    """

    def __init__(self, spec: Spec) -> None:
        self._unseen = {name: i for i, (name, kind) in enumerate(spec.items()) if isinstance(kind, Camera)}

    @property
    def is_curious(self) -> bool:
        """Whether there is a camera whose scale is not known yet."""
        return bool(self._unseen)

    def look(self, obs: Mapping[str, Tensor]) -> None:
        """Looks; bytes need none, and frames that are all black tell nothing.

        Raises:
            ObservationError: frames that are here hold fractions, and nothing above 1.
        """
        for name, number in list(self._unseen.items()):
            frames = obs.get(name)
            if frames is None or not frames.is_floating_point():
                continue
            rows, said = frames.detach().flatten(1), obs.get(PRESENT)
            try:
                rows = rows if said is None else rows[said[:, number] > 0.5]
                rows = rows[torch.isfinite(rows).all(dim=1)]
                brightest = float(rows.amax()) if rows.numel() else 0.0
                has_fractions = brightest > 0.0 and bool((rows != rows.round()).any())
            except RuntimeError:  # no numbers to look at: they are traced, or mapped
                return
            if brightest > 1.0:
                self._unseen.pop(name, None)
            elif has_fractions:
                raise ObservationError(
                    f'"{name}" must be in 0..255; got floats up to {brightest:g}, which would be black. Multiply them '
                    "by 255, or pass bytes."
                )
