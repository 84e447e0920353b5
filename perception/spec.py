"""What an agent senses: `Spec` maps each modality's name to its kind (camera, microphone, instruction, ...).

A spec is data only: it knows shapes, dtypes and units, builds the matching Gymnasium space and writes itself as JSON.
It holds no tensors and no networks; environments emit what it describes and `Perception` reads it. numpy and
gymnasium only, so that environments can import it cheaply. The kinds themselves are in kinds/, and named here too.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Self, TypeVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from .errors import ObservationError, SpecError, did_you_mean
from .kinds import KINDS as KINDS
from .kinds import register_kind as register_kind
from .kinds.base import Kind as Kind
from .kinds.base import Picture as Picture
from .kinds.by_kind import ByKind as ByKind
from .kinds.camera import Camera as Camera
from .kinds.depth import Depth as Depth
from .kinds.grid import Grid as Grid
from .kinds.instruction import Instruction as Instruction
from .kinds.microphone import LOUDEST as LOUDEST
from .kinds.microphone import Microphone as Microphone
from .kinds.vector import Vector as Vector

PRESENT = "present"
"""The observation's key for the availability mask: `present[i]` belongs to `sorted(names)[i]`, 1 = here now."""

MAX_TOKEN = 2**30
"""Whole numbers beyond are taken for no tokens where a space is all that tells."""

MAX_BYTES = 2**26
"""The most bytes that one observation may have: a frame of 4096 x 5461 pixels, 17 million numbers."""

OfKind = TypeVar("OfKind", bound=Kind)


class Spec(Mapping[str, Kind]):
    """The senses of an agent: names to kinds, always in alphabetical order.

    `Spec(camera=Camera(64, 64), audio=Microphone(2, 1600, 16000), instruction=Instruction(48, 1024))`

    Raises:
        SpecError: no modality, a reserved or impossible name, or a value that is not a kind.
    """

    def __init__(self, /, **kinds: Kind) -> None:  # a sense may be called "self"
        if not kinds:
            raise SpecError("A Spec needs at least one modality; got none. Write Spec(camera=Camera(64, 64)), say.")
        for name, kind in kinds.items():
            if name == PRESENT or not name.isidentifier():
                raise SpecError(
                    f'A modality\'s name must be a Python identifier other than "{PRESENT}"; got {name!r}. Rename it.'
                )
            if not isinstance(kind, Kind):
                raise SpecError(
                    f'Modality "{name}" must be a kind ({", ".join(sorted(KINDS))}); got {kind!r}. '
                    "Pass an instance such as Camera(64, 64)."
                )
        _require_small(kinds)
        for name, kind in kinds.items():
            for part in (*kind.beside, *kind.instead):
                if (key := key_of(name, part)) in kinds:
                    raise SpecError(f'"{key}" is reserved for the {part} of "{name}"; rename it.')
        self._kinds: dict[str, Kind] = dict(sorted(kinds.items()))

    def __getitem__(self, name: str) -> Kind:
        try:
            return self._kinds[name]
        except KeyError:
            raise KeyError(f'The spec has no modality "{name}"; {did_you_mean(name, self._kinds)}') from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self._kinds == other._kinds

    def __hash__(self) -> int:
        return hash(tuple(self._kinds.items()))

    def __repr__(self) -> str:
        return f"Spec({', '.join(f'{name}={kind!r}' for name, kind in self._kinds.items())})"

    @property
    def names(self) -> tuple[str, ...]:
        """The modalities' names in the order of the `present` mask: alphabetical."""
        return tuple(self._kinds)

    def of_kind(self, kind: type[OfKind]) -> dict[str, OfKind]:
        """The senses of one kind, by name."""
        return {name: own for name, own in self._kinds.items() if isinstance(own, kind)}

    def texts(self) -> tuple[str, ...]:
        """The names of the senses that are texts."""
        return tuple(name for name, kind in self._kinds.items() if kind.is_text)

    def space(self) -> spaces.Dict:
        """The observation space: one key per modality and `present`."""
        senses: dict[str, spaces.Space[Any]] = {name: kind.space() for name, kind in self._kinds.items()}
        return spaces.Dict(senses | {PRESENT: spaces.MultiBinary(len(self))})

    def placeholder(self) -> dict[str, NDArray[Any]]:
        """One observation in which every sense is absent."""
        readings = {name: kind.placeholder() for name, kind in self._kinds.items()}
        return readings | {PRESENT: np.zeros(len(self), np.int8)}

    def present(self, *absent: str) -> NDArray[np.int8]:
        """The mask in which all senses are here except those named, int8 (modalities,)."""
        for name in absent:
            if name not in self._kinds:
                raise ObservationError(f'There is no sense "{name}" to remove; {did_you_mean(name, self._kinds)}')
        return np.array([name not in absent for name in self._kinds], np.int8)

    def to_json(self) -> dict[str, Any]:
        """This spec as plain JSON values."""
        return {name: kind.to_json() for name, kind in self._kinds.items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            SpecError: an unknown kind or field; a user's own kind must be imported (registered) first.
        """
        if not isinstance(data, Mapping):
            raise SpecError(f"A spec in JSON must be an object of modalities; got {data!r}.")
        return cls(**{name: _kind_from_json(name, fields) for name, fields in data.items()})

    @classmethod
    def from_space(cls, space: spaces.Space[Any], *, sample_rate_hz: int | None = None, **kinds: Kind) -> Self:
        """Infers the kinds of a foreign environment's observation space from dtype and rank.

        Args:
            space: a flat `spaces.Dict`; a `present` key is skipped.
            sample_rate_hz: the rate of its sound, which no space can carry.
            **kinds: what is known already, by key; these keys are not inferred.

        Raises:
            SpecError: a key is ambiguous or of no known kind; the sentence says how to settle it.
        """
        if not isinstance(space, spaces.Dict):
            raise SpecError(
                f"The observation space must be a flat spaces.Dict; got {type(space).__name__}. "
                "Wrap the environment with senseweave.envs.adapt(env)."
            )
        for name in kinds:
            if name not in space.spaces:
                raise SpecError(f'The space has no key "{name}"; {did_you_mean(name, space.spaces)}')
        found = {
            name: kinds[name] if name in kinds else _kind_from_box(name, box, sample_rate_hz)
            for name, box in space.spaces.items()
            if name != PRESENT
        }
        spec = cls(**found)
        mask = space.spaces.get(PRESENT)
        if mask is not None and mask.shape != (len(spec),):
            raise SpecError(
                f'"{PRESENT}" must have one entry for each of the {len(spec)} modalities; got shape {mask.shape}.'
            )
        return spec


def _require_small(kinds: Mapping[str, Kind]) -> None:
    """What a description claims is bounded before anything of that size is made."""
    total = 0
    for name, kind in kinds.items():
        total += math.prod(kind.shape) * np.dtype(kind.dtype).itemsize
        if total > MAX_BYTES:
            raise SpecError(
                f'One observation must have at most {MAX_BYTES:,} bytes; with "{name}", {kind!r:.80}, it has '
                f"{total:,.0f}. Take smaller readings."
            )


def key_of(name: str, part: str) -> str:
    """The key in an observation of what stands beside a sense's reading or in its place: "audio_length"."""
    return f"{name}_{part}"


def _kind_from_json(name: str, fields: Any) -> Kind:
    values = dict(fields) if isinstance(fields, Mapping) else {}
    kind_name = values.pop("kind", None)
    if not isinstance(kind_name, str) or kind_name not in KINDS:
        raise SpecError(
            f'Modality "{name}" is of an unknown kind {kind_name!r}; {did_you_mean(str(kind_name), KINDS)} '
            "A kind of your own must be imported before."
        )
    try:
        return KINDS[kind_name](**values)
    except TypeError as error:
        raise SpecError(f'Modality "{name}" of kind {kind_name} has fields that do not fit: {error}.') from None


def _kind_from_box(name: str, box: spaces.Space[Any], sample_rate_hz: int | None) -> Kind:
    tell = f"; pass {name}=<kind> to from_space to say what it is."
    if not isinstance(box, spaces.Box):
        raise SpecError(
            f'"{name}" must be a Box; got {type(box).__name__}. Wrap the environment with senseweave.envs.adapt(env).'
        )
    rank, dtype = len(box.shape), box.dtype or np.dtype(np.float32)
    if dtype == np.uint8 and rank == 3:
        return _kind_from_picture(name, box, tell)
    if np.issubdtype(dtype, np.integer) and rank == 1:
        if box.low.min() < 0 or box.high.max() > MAX_TOKEN:
            raise SpecError(f'"{name}" holds whole numbers in {box.low.min()}..{box.high.max()}, no tokens{tell}')
        return Instruction(box.shape[0], int(box.high.max()) + 1)
    if np.issubdtype(dtype, np.floating) and rank == 1:
        return Vector(box.shape[0])
    if np.issubdtype(dtype, np.floating) and rank == 2 and box.low.min() == 0.0 and np.isfinite(box.high).all():
        return Depth(box.shape[0], box.shape[1], float(box.high.max()))  # sound goes below 0
    if np.issubdtype(dtype, np.floating) and rank == 2:
        if sample_rate_hz is None:
            raise SpecError(
                f'"{name}" looks like sound, {box.shape[0]} x {box.shape[1]}, but a Box carries no sample rate; '
                f"pass sample_rate_hz=... or {name}=<kind> to from_space."
            )
        return Microphone(box.shape[0], box.shape[1], sample_rate_hz)
    raise SpecError(f'"{name}" is {dtype} of shape {box.shape}, which is none of the known kinds{tell}')


def _kind_from_picture(name: str, box: spaces.Box, tell: str) -> Kind:
    if int(box.high.max()) == 255:
        height, width, channels = box.shape
        if height == 3 and channels != 3:  # stable-baselines3 moves the channels to the front
            height, width, channels = width, channels, height
        if channels == 3 and min(height, width) >= 16:
            return Camera(height, width)
        raise SpecError(f'"{name}" is uint8 of shape {box.shape}, neither RGB frames nor a Grid with high < 255{tell}')
    if not (box.high == box.high[:1, :1]).all():
        raise SpecError(f'"{name}" has limits that differ from cell to cell{tell}')
    return Grid(box.shape[0], box.shape[1], tuple(int(high) + 1 for high in box.high[0, 0]))
