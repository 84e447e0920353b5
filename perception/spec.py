"""What an agent senses: `Spec` maps each modality's name to its kind (camera, microphone, instruction, ...).

A spec is data only: it knows shapes, dtypes and units, builds the matching Gymnasium space and writes itself as JSON.
It holds no tensors and no networks; environments emit what it describes and `Perception` reads it. numpy and
gymnasium only, so that environments can import it cheaply.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from .checks import require_whole
from .errors import ObservationError, SpecError, did_you_mean

PRESENT = "present"
"""The observation's key for the availability mask: `present[i]` belongs to `sorted(names)[i]`, 1 = here now."""

LENGTH_SUFFIX = "_length"
"""`<microphone>_length` may hold the number of valid leading samples of a shorter recording, int (b,)."""

LARGEST_TOKEN = 2**30
"""Whole numbers beyond are taken for no tokens where a space is all that tells."""

FEATURES_SUFFIX = "_features"
"""`<microphone>_features` may stand in the place of a microphone's waveform: what `Perception.digest` makes of it."""

NUMBERS_SUFFIX = "_numbers"
"""`<grid>_numbers` and `<grid>_distinct` may stand in the place of a grid: what `Perception.condense` makes of it."""

DISTINCT_SUFFIX = "_distinct"
"""See `NUMBERS_SUFFIX`."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of sense. Subclass as a frozen dataclass, decorate with `register_kind`, and give it an encoder.

    Subclasses set `dtype` and implement `space`; everything else has a default that follows from the space.
    """

    dtype: ClassVar[type[np.generic]]

    def space(self) -> spaces.Box:
        """The Gymnasium box of one reading, without a batch axis."""
        raise NotImplementedError

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one reading, without a batch axis."""
        return self.space().shape

    def placeholder(self) -> NDArray[Any]:
        """The reading that stands for an absent sense: zeros."""
        return np.zeros(self.shape, self.dtype)

    def to_json(self) -> dict[str, Any]:
        """This kind as plain JSON values."""
        fields = dataclasses.asdict(self)
        plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in fields.items()}
        return {"kind": type(self).__name__, **plain}


def _require_positive(kind: Kind, *fields: str) -> None:
    for field in fields:
        require_whole(field, getattr(kind, field), 1, of=type(kind).__name__, error=SpecError)


@dataclasses.dataclass(frozen=True)
class Camera(Kind):
    """RGB frames, uint8 (height, width, 3); any size from 16 x 16 pixels up."""

    height: int
    width: int
    dtype: ClassVar[type[np.generic]] = np.uint8

    def __post_init__(self) -> None:
        _require_positive(self, "height", "width")
        if min(self.height, self.width) < 16:
            raise SpecError(
                f"Camera frames must be at least 16 x 16 pixels; got {self.height} x {self.width}. "
                "Enlarge the frame, or use Grid or Vector for smaller data."
            )

    def space(self) -> spaces.Box:
        return spaces.Box(0, 255, (self.height, self.width, 3), np.uint8)


@dataclasses.dataclass(frozen=True)
class Microphone(Kind):
    """Sound, float32 (channels, samples) in -1..1, multiples of 2^-15, at `sample_rate_hz`."""

    channels: int
    samples: int
    sample_rate_hz: int
    dtype: ClassVar[type[np.generic]] = np.float32

    def __post_init__(self) -> None:
        _require_positive(self, "channels", "samples", "sample_rate_hz")

    def space(self) -> spaces.Box:
        return spaces.Box(-1.0, 1.0, (self.channels, self.samples), np.float32)


@dataclasses.dataclass(frozen=True)
class Instruction(Kind):
    """A text as token ids, int32 (max_tokens,) in 0..vocab_size - 1; 0 is padding."""

    max_tokens: int
    vocab_size: int
    dtype: ClassVar[type[np.generic]] = np.int32

    def __post_init__(self) -> None:
        _require_positive(self, "max_tokens", "vocab_size")

    def space(self) -> spaces.Box:
        return spaces.Box(0, self.vocab_size - 1, (self.max_tokens,), np.int32)


@dataclasses.dataclass(frozen=True)
class Vector(Kind):
    """Numbers without a grid, float32 (size,): proprioception, compass, touch, odour, a depth scan."""

    size: int
    dtype: ClassVar[type[np.generic]] = np.float32

    def __post_init__(self) -> None:
        _require_positive(self, "size")

    def space(self) -> spaces.Box:
        return spaces.Box(-np.inf, np.inf, (self.size,), np.float32)


@dataclasses.dataclass(frozen=True)
class Grid(Kind):
    """Cells of categories, uint8 (height, width, len(sizes)); channel c takes 0..sizes[c] - 1 (BabyAI's view)."""

    height: int
    width: int
    sizes: tuple[int, ...]
    dtype: ClassVar[type[np.generic]] = np.uint8

    def __post_init__(self) -> None:
        _require_positive(self, "height", "width")
        sizes = tuple(self.sizes) if isinstance(self.sizes, Iterable) else ()
        if not sizes or not all(isinstance(size, (int, np.integer)) and 1 <= size <= 256 for size in sizes):
            raise SpecError(
                f"`sizes` of Grid must hold a whole number of 1 to 256 for each channel; got {self.sizes!r}."
            )
        object.__setattr__(self, "sizes", tuple(int(size) for size in sizes))

    def space(self) -> spaces.Box:
        high = np.broadcast_to(np.asarray(self.sizes, np.int64) - 1, (self.height, self.width, len(self.sizes)))
        return spaces.Box(np.zeros(high.shape, np.uint8), high.astype(np.uint8), dtype=np.uint8)


_RESERVED = (
    (Microphone, LENGTH_SUFFIX, "length"),
    (Microphone, FEATURES_SUFFIX, "features"),
    (Grid, NUMBERS_SUFFIX, "distinct cells"),
    (Grid, DISTINCT_SUFFIX, "distinct cells"),
)

KINDS: dict[str, type[Kind]] = {kind.__name__: kind for kind in (Camera, Microphone, Instruction, Vector, Grid)}
"""Name -> class, for reading specs from JSON. `register_kind` adds to it."""


def register_kind(kind: type[Kind]) -> type[Kind]:
    """Class decorator that makes a user's own kind known by its class name, so that saved specs can be read back.

    Raises:
        SpecError: another class already has that name, or the class is not a frozen dataclass.
    """
    if not (isinstance(kind, type) and issubclass(kind, Kind) and dataclasses.is_dataclass(kind)):
        raise SpecError(f"A kind must be a frozen dataclass that inherits from Kind; got {kind!r}.")
    known = KINDS.setdefault(kind.__name__, kind)
    if known is not kind and (known.__module__, known.__qualname__) != (kind.__module__, kind.__qualname__):
        raise SpecError(f'A kind named "{kind.__name__}" exists already ({known.__module__}); choose another name.')
    KINDS[kind.__name__] = kind
    return kind


class Spec(Mapping[str, Kind]):
    """The senses of an agent: names to kinds, always in alphabetical order.

    `Spec(camera=Camera(64, 64), audio=Microphone(2, 1600, 16000), instruction=Instruction(48, 1024))`

    Raises:
        SpecError: no modality, a reserved or impossible name, or a value that is not a kind.
    """

    def __init__(self, **kinds: Kind) -> None:
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
        for name, kind in kinds.items():
            for of, suffix, what in _RESERVED:
                if isinstance(kind, of) and name + suffix in kinds:
                    raise SpecError(f'"{name + suffix}" is reserved for the {what} of "{name}"; rename it.')
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
        if box.low.min() < 0 or box.high.max() > LARGEST_TOKEN:
            raise SpecError(f'"{name}" holds whole numbers in {box.low.min()}..{box.high.max()}, no tokens{tell}')
        return Instruction(box.shape[0], int(box.high.max()) + 1)
    if np.issubdtype(dtype, np.floating) and rank == 1:
        return Vector(box.shape[0])
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
