"""`Settings`: the base of what a command can be told, a frozen dataclass whose fields check themselves.

One field is one option: its docstring is the help, its default the default, and the kind of value in its annotation
says how it is written and what is allowed (`values.py`). Nothing heavy is imported here.
"""

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any, Self, TypeVar

from ...perception.errors import ConfigError, did_you_mean
from .several import Names, Pairs
from .values import Number, Switch, Text, Value, Whole

Base = TypeVar("Base")

OF_TYPE: dict[Any, Value] = {
    bool: Switch(),
    int: Whole(),
    float: Number(),
    str: Text(),
    tuple[str, ...]: Names(),
    dict[str, Any]: Pairs(),
}
"""The kind of a field whose annotation names none."""


@dataclasses.dataclass(frozen=True)
class Section:
    """In an annotation: the first field of a group of options in the help.

    Args:
        title: "task" makes "task options".
        about: what they have in common, a sentence or two.
    """

    title: str
    about: str = ""


class Settings:
    """Base of the commands' settings.

    A subclass is a frozen dataclass. Each field is checked by its kind; what two fields must agree on, the subclass
    checks itself.

    Raises:
        ConfigError: a value is of another type than its field, or out of its range.
    """

    def __post_init__(self) -> None:
        kinds = kinds_of(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value is not None or field.default is not None:  # None is allowed where it is the default
                object.__setattr__(self, field.name, kinds[field.name].check(field.name, value))

    def to_json(self) -> dict[str, Any]:
        """These settings as plain JSON values."""
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            ConfigError: an unknown key, or a value out of its range.
        """
        if not isinstance(data, Mapping):
            raise ConfigError(f"{cls.__name__} must be a JSON object; got {data!r:.60}.")
        known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
        for key in data:
            if key not in known:
                raise ConfigError(f'"{key}" is not a setting of {cls.__name__}; {did_you_mean(key, known)}')
        return cls(**data)

    def part(self, base: type[Base]) -> Base:
        """The settings of a base class, without what a subclass adds for the command line."""
        return base(**{field.name: getattr(self, field.name) for field in dataclasses.fields(base)})  # type: ignore[arg-type]

    @classmethod
    def from_options(cls, given: Mapping[str, Any]) -> Self:
        """The settings of a command line.

        Args:
            given: by field, what was really given; the others take their defaults.

        Raises:
            ConfigError: a value is out of its range, or two of them contradict each other.
        """
        return cls(**given)

    @classmethod
    def defaults(cls) -> Mapping[str, Any]:
        """By field, what a command line takes that does not give it, where that is not the field's own default."""
        return {}


@functools.cache
def kinds_of(settings: type) -> dict[str, Value]:
    """Field -> its kind of value.

    Raises:
        ConfigError: a field has a type that no kind reads, and its annotation names none.
    """
    annotations = typing.get_type_hints(settings, include_extras=True)
    return {field.name: _kind(field.name, annotations[field.name]) for field in dataclasses.fields(settings)}


@functools.cache
def sections_of(settings: type) -> dict[str, Section]:
    """Field -> the section that begins with it, where one does."""
    annotations = typing.get_type_hints(settings, include_extras=True)
    return {name: note for name, hint in annotations.items() for note in _notes(hint) if isinstance(note, Section)}


def _kind(name: str, annotation: Any) -> Value:
    for note in _notes(annotation):
        if isinstance(note, Value):
            return note
    plain = annotation.__origin__ if _notes(annotation) else annotation
    if typing.get_origin(plain) in (types.UnionType, typing.Union):  # str | None
        plain = next(part for part in typing.get_args(plain) if part is not types.NoneType)
    if plain not in OF_TYPE:
        raise ConfigError(f"`{name}` is of the type {plain}, which no kind of value reads; annotate it with one.")
    return OF_TYPE[plain]


def _notes(annotation: Any) -> tuple[Any, ...]:
    """What `Annotated` adds to a type."""
    return getattr(annotation, "__metadata__", ())
