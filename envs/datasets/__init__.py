"""Datasets of episodes, read and written: our recordings, Minari, LeRobotDataset v3.

`open_dataset(path)` gives `Episodes`, whatever the format; `write_dataset(episodes, path, format)` goes the other way.
"""

from typing import TYPE_CHECKING

from ...perception.registry import lazy_names

if TYPE_CHECKING:
    from .episode import NO_TIME as NO_TIME
    from .episode import Episode as Episode
    from .episodes import Episodes as Episodes
    from .errors import DatasetError as DatasetError
    from .facts import DatasetFacts as DatasetFacts
    from .open import open_dataset as open_dataset
    from .open import write_dataset as write_dataset
    from .registry import DATASETS as DATASETS
    from .registry import Format as Format
    from .registry import Writer as Writer

_HOMES = {
    "episode": ("NO_TIME", "Episode"),
    "episodes": ("Episodes",),
    "errors": ("DatasetError",),
    "facts": ("DatasetFacts",),
    "open": ("open_dataset", "write_dataset"),
    "registry": ("DATASETS", "Format", "Writer"),
}
__getattr__, __dir__, __all__ = lazy_names(__name__, _HOMES)
