"""The sources of a foreign observation: every leaf of its space by a name of its own, and how to find its value.

A Dict or a Tuple inside of another is lifted: {"pixels": {"top": ...}} has the source "pixels_top", a Tuple counts its
parts. Nothing is converted here.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ...perception.errors import ObservationError, SpecError, did_you_mean
from ...perception.spec import PRESENT

BARE_SOURCE = "observation"
"""The name of the only source of an environment whose observation is neither a Dict nor a Tuple."""


@dataclasses.dataclass(frozen=True)
class Source:
    """One leaf of an observation space.

    Attributes:
        name: its keys, joined by underscores.
        path: its keys, from the outermost.
        space: of its values.
    """

    name: str
    path: tuple[Any, ...]
    space: spaces.Space[Any]

    def value_in(self, raw: Any) -> Any:
        """Its value in an observation; None where it, or something around it, is missing or None.

        Raises:
            ObservationError: something around it is no mapping, or no sequence.
        """
        for key in self.path:
            if raw is None:
                return None
            if isinstance(raw, Mapping):
                raw = raw.get(key)
            elif isinstance(raw, Sequence) and not isinstance(raw, (str, bytes)) and isinstance(key, int):
                raw = raw[key] if key < len(raw) else None
            else:
                raise ObservationError(
                    f'"{self.name}" must be inside of {"a tuple" if isinstance(key, int) else "a dict"}, as the '
                    f"observation space says; got {type(raw).__name__}. Fix the environment."
                )
        return raw


def sources_of(space: spaces.Space[Any]) -> dict[str, Source]:
    """Every leaf by its name; the `present` key of a Dict is left out.

    Raises:
        SpecError: two of them have one name.
    """
    found: dict[str, Source] = {}
    for source in _leaves(space, ()):
        if source.path == (PRESENT,):
            continue
        if source.name in found:
            raise SpecError(f'Two sources of the observation would be named "{source.name}"; rename one of them.')
        found[source.name] = source
    return found


def _leaves(space: spaces.Space[Any], path: tuple[Any, ...]) -> list[Source]:
    if isinstance(space, spaces.Dict):
        return [leaf for key, part in space.spaces.items() for leaf in _leaves(part, (*path, key))]
    if isinstance(space, spaces.Tuple):
        return [leaf for number, part in enumerate(space.spaces) for leaf in _leaves(part, (*path, number))]
    names = [BARE_SOURCE, *path] if not path or isinstance(path[0], int) else path
    return [Source("_".join(map(str, names)), path, space)]


def named_by(name: str, sources: Mapping[str, Source]) -> list[str]:
    """The sources that a name stands for: that one, or all that are inside of it.

    Raises:
        SpecError: it stands for none.
    """
    if name in sources:
        return [name]
    inside = [own for own, source in sources.items() if any(_joined(source.path[:n]) == name for n in _depths(source))]
    if not inside:
        raise SpecError(f'The observation has no source "{name}"; {did_you_mean(name, sources)}')
    return inside


def _depths(source: Source) -> range:
    return range(1, len(source.path))


def _joined(path: tuple[Any, ...]) -> str:
    return "_".join(map(str, path))


class OwnMask:
    """An environment's own `present` mask, in the order of its sorted sources, by the order of the senses.

    Args:
        space: of the observations.
        sources: the source of each sense, in the order of the senses.

    Raises:
        SpecError: the mask has another number of entries.
    """

    def __init__(self, space: spaces.Space[Any], sources: Sequence[Source]) -> None:
        mask = space.spaces.get(PRESENT) if isinstance(space, spaces.Dict) else None
        self._order: NDArray[np.intp] | None = None
        if mask is None or not isinstance(space, spaces.Dict):
            return
        leaves = sorted(sources_of(space))
        outer = sorted(str(name) for name in space.spaces if name != PRESENT)
        if mask.shape == (len(leaves),):
            self._order = np.array([leaves.index(source.name) for source in sources])
        elif mask.shape == (len(outer),):  # one entry stands for all that is inside
            self._order = np.array([outer.index(str(source.path[0])) for source in sources])
        else:
            raise SpecError(
                f'"{PRESENT}" must be a mask with one entry for each of the {len(leaves)} other sources; got {mask}.'
            )
        self._size = int(np.prod(mask.shape or (0,)))

    def of(self, raw: Any) -> NDArray[np.bool_] | None:
        """Which senses the observation says are here; None where it says nothing.

        Raises:
            ObservationError: it says so in another form.
        """
        if self._order is None or not isinstance(raw, Mapping) or raw.get(PRESENT) is None:
            return None
        mask = np.asarray(raw[PRESENT])
        if mask.shape != (self._size,) or mask.dtype.kind not in "biuf" or not np.isin(mask, (0, 1)).all():
            raise ObservationError(
                f'"{PRESENT}" must hold {self._size} zeros and ones, as its space says; got {raw[PRESENT]!r:.60}. '
                "Fix the environment."
            )
        return mask[self._order] > 0.5
