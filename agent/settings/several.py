"""Kinds of values that are given in several words: names one after another, and pairs in an option that is repeated.

They are used as those of `values.py` are, where the base is.
"""

import dataclasses
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from ...perception.checks import require_utf8
from ...perception.errors import ConfigError
from .values import Arity, Choice, Number, Value, number_in


@dataclasses.dataclass(frozen=True, kw_only=True)
class Names(Value):
    """Any number of names, as a tuple."""

    metavar: str = "NAME"
    arity: ClassVar[Arity] = "several"

    def read(self, texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(texts)

    def check(self, field: str, value: Any) -> tuple[str, ...]:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise ConfigError(f"`{field}` must be several names; got {value!r}.")
        names = tuple(value)
        for name in names:
            require_utf8(f"A name of `{field}`", str(name))
        return names

    def show(self, value: Any) -> str:
        return " ".join(value or ()) or self.unset


@dataclasses.dataclass(frozen=True, kw_only=True)
class Addresses(Value):
    """Where the readings of a kind of sense come from: one address, or SENSE=ADDRESS each time, as a dict."""

    metavar: str = "SOURCE"
    arity: ClassVar[Arity] = "repeated"

    def read(self, texts: Sequence[str]) -> str | dict[str, str]:
        if len(texts) == 1 and (os.path.exists(texts[0]) or not _names_a_sense(texts[0])):
            return texts[0]
        for text in texts:
            if not _names_a_sense(text):
                raise ValueError(
                    f"is given {len(texts)} times: say for which sense, SENSE={self.metavar}; got {text!r}"
                )
        addresses = dict(text.split("=", 1) for text in texts)
        if len(addresses) < len(texts):
            raise ValueError("must give each sense once; one was given twice")
        return addresses

    def check(self, field: str, value: Any) -> str | dict[str, str]:
        named = value.items() if isinstance(value, Mapping) else [(field, value)]
        for name, address in named:
            if not isinstance(address, str) or not address:
                raise ConfigError(f"`{name}` must be a name; got {address!r}.")
            require_utf8(f"`{name}`", address)
        return dict(value) if isinstance(value, Mapping) else value


def _names_a_sense(text: str) -> bool:
    """Whether a text is SENSE=ADDRESS; "http://host/?a=b" is none."""
    name, equals, address = text.partition("=")
    return bool(equals and address) and name.isidentifier()


_SHORT = re.compile(r"[+-]?(\.\d+|\d+\.)([eE][+-]?\d+)?")
"""Numbers that people write and JSON does not know: .99 and 1."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pairs(Value):
    """key=value pairs as a dict; a value is JSON (12, true, 0.5), or else a plain text.

    Args:
        is_dotted: whether a key is group.name.
    """

    metavar: str = "KEY=VALUE"
    is_dotted: bool = False
    arity: ClassVar[Arity] = "repeated"

    def read(self, texts: Sequence[str]) -> dict[str, Any]:
        pairs = dict(map(self.pair, texts))
        if len(pairs) < len(texts):
            raise ValueError("must give each name once; one was given twice")
        return pairs

    def pair(self, text: str) -> tuple[str, Any]:
        """Reads one of them; raises as `read` does."""
        key, equals, value = text.partition("=")
        parts = key.split(".")
        if not equals or len(parts) != 1 + self.is_dotted or not all(map(str.isidentifier, parts)):
            raise ValueError(f"must be {'group.' * self.is_dotted}key=value; got {text!r}")
        try:
            return key, float(value) if _SHORT.fullmatch(value) else json.loads(value)
        except ValueError:
            return key, value

    def check(self, field: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ConfigError(f"`{field}` must map names to values; got {value!r}.")
        for name, part in value.items():
            if isinstance(part, str):
                require_utf8(f"`{name}` of `{field}`", part)
        return dict(value)

    def show(self, value: Any) -> str:
        return ", ".join(f"{key}={part}" for key, part in (value or {}).items()) or self.unset


@dataclasses.dataclass(frozen=True, kw_only=True)
class Numbers(Pairs):
    """name=number pairs as a dict.

    Args:
        number: the bounds of each.
        noun: what each is: "weight".
        example: one pair, for the message.
        alone: the number of a name that is given without one; None where it must have one.
        names: the names that there are; None for any.
    """

    number: Number
    noun: str
    example: str
    alone: float | None = None
    names: Choice | None = None

    def pair(self, text: str) -> tuple[str, float]:
        name, equals, text_of_number = text.partition("=")
        number = number_in(text_of_number) if equals else self.alone
        if not name or number is None:
            raise ValueError(f"must be {self.metavar}, {self.example}, say; got {text!r}")
        return name, number

    def check(self, field: str, value: Any) -> dict[str, float]:
        pairs = super().check(field, value)
        for name, number in pairs.items():
            if self.names is not None:
                self.names.check(field, name)
            self.number.check(field if field.startswith("--") else self.noun, number, of=f'"{name}"')
        return pairs

    def show(self, value: Any) -> str:
        return super().show({name: f"{number:g}" for name, number in (value or {}).items()})

    def choices(self) -> tuple[str, ...]:
        return () if self.names is None else self.names.choices()
