"""`Stats`: what meta/stats.json says of each feature: least, greatest, mean, standard deviation, and of how many.

n rows
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

EVERY = 10
"""One picture out of so many is looked at."""


class _Sums:
    """Over what is finite, number by number of a row."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.count = np.zeros(shape)
        self.total, self.squares = np.zeros(shape), np.zeros(shape)
        self.least, self.greatest = np.full(shape, np.inf), np.full(shape, -np.inf)

    def add(self, rows: NDArray[np.float64]) -> None:
        finite = np.isfinite(rows)
        known = np.where(finite, rows, 0.0)
        self.count += finite.sum(axis=0)
        self.total += known.sum(axis=0)
        self.squares += np.square(known).sum(axis=0)
        self.least = np.minimum(self.least, np.where(finite, rows, np.inf).min(axis=0))
        self.greatest = np.maximum(self.greatest, np.where(finite, rows, -np.inf).max(axis=0))


class Stats:
    """Collects while a dataset is written."""

    def __init__(self) -> None:
        self._sums: dict[str, _Sums] = {}
        self._rows: dict[str, int] = {}

    def add(self, key: str, rows: NDArray[Any]) -> None:
        """Adds rows of a column; texts have no statistics."""
        if rows.dtype.kind not in "biuf" or not len(rows):
            return
        sums = self._sums.setdefault(key, _Sums(rows.shape[1:]))
        sums.add(rows.astype(np.float64))
        self._rows[key] = self._rows.get(key, 0) + len(rows)

    def add_pictures(self, key: str, frames: Sequence[NDArray[np.uint8]]) -> None:
        """Adds pictures, channel by channel, in 0..1; not all of them are looked at."""
        for frame in frames[::EVERY]:
            self._sums.setdefault(key, _Sums((3,))).add(frame.reshape(-1, 3) / 255.0)
        self._rows[key] = self._rows.get(key, 0) + len(frames)

    def to_json(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """The content of stats.json."""
        told: dict[str, Any] = {}
        for key, sums in self._sums.items():
            is_picture = features[key]["dtype"] == "video"
            shape = (3, 1, 1) if is_picture else tuple(features[key]["shape"])
            seen = np.maximum(sums.count, 1)
            mean = sums.total / seen
            spread = np.sqrt(np.maximum(0.0, sums.squares / seen - mean**2))
            known = sums.count > 0
            parts = {
                "min": np.where(known, sums.least, 0.0),
                "max": np.where(known, sums.greatest, 0.0),
                "mean": mean,
                "std": spread,
            }
            told[key] = {name: part.reshape(shape).tolist() for name, part in parts.items()}
            told[key]["count"] = [self._rows[key]]
        return told
