"""The kinds of values that settings hold: how each is written on the command line, read, checked and explained.

A field of a settings dataclass names its kind in its annotation, `steps: Annotated[int, Whole(low=1)] = 300_000`; a
type alone is enough where every value of it will do. Kinds of several words are in `several.py`. `base.py` checks
settings by them, `agent/cli/options.py` makes the command line of them. Nothing heavy is imported here.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from ...perception.checks import require_device, require_number, require_utf8, require_whole
from ...perception.errors import ConfigError, unknown_name
from ...perception.registry import Registry

Arity = Literal["none", "one", "several", "repeated"]
"""Words after an option: `--greedy`, `--steps N`, `--without A B`; "repeated" is one each time the option is given."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Word:
    """One option of a field.

    Args:
        text: "steps" for `--steps`.
        value: what the field becomes, where no word follows.
        help: what it does, where the field's own docstring does not say it.
    """

    text: str
    value: Any = None
    help: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Value:
    """Base of the kinds: whatever is written, as it is.

    Args:
        word: the option's name, where it is not the field's.
        metavar: what stands for the value in the help.
        unset: what the help gives as the default in the place of None, or of nothing.
        is_positional: whether it is given by its place, without an option.
    """

    word: str = ""
    metavar: str = "TEXT"
    unset: str = ""
    is_positional: bool = False
    arity: ClassVar[Arity] = "one"

    def words(self, field: str, default: Any) -> list[Word]:
        """The options of a field of this kind."""
        return [Word(text=self.word or field.replace("_", "-"))]

    def read(self, texts: Sequence[str]) -> Any:
        """Reads the words that a person wrote after the option.

        Raises:
            ValueError: they cannot be read; the message continues "`--steps` ...".
        """
        return texts[0]

    def check(self, field: str, value: Any) -> Any:
        """The value as the field holds it, however it was given.

        Raises:
            ConfigError: it is of another type, or out of its range.
        """
        return value

    def show(self, value: Any) -> str:
        """A default as the help shows it; empty where there is nothing to say."""
        return str(value or self.unset)

    def choices(self) -> tuple[str, ...]:
        """The names that it chooses from, where there is a table of them."""
        return ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Text(Value):
    """A text that is not empty: a name, a folder.

    Args:
        is_spoken: it is what somebody says, and names nothing: any characters will do.
    """

    is_spoken: bool = False

    def check(self, field: str, value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise ConfigError(f"`{field}` must be a name; got {value!r}.")
        return value if self.is_spoken else require_utf8(f"`{field}`", value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileName(Text):
    """The name of a file, which ends in one of `suffixes`."""

    suffixes: tuple[str, ...]
    metavar: str = "FILE"

    def check(self, field: str, value: Any) -> str:
        if Path(super().check(field, value)).suffix.lower() not in self.suffixes:
            *others, last = self.suffixes
            ends = f"{', '.join(others)} or {last}" if others else last
            raise ConfigError(f"`{field}` must end in {ends}; got {value!r}.")
        return value


@dataclasses.dataclass(frozen=True, kw_only=True)
class Device(Value):
    """auto, cpu, cuda or cuda:N."""

    metavar: str = "NAME"

    def check(self, field: str, value: Any) -> str:
        require_device(value)
        return value


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice(Text):
    """A name out of a table.

    Args:
        what: is chosen: "fusion".
        table: a `Registry`, or another collection of names.
        is_open: whether other names are taken as well: files may hold names whose package is not here.
    """

    what: str
    table: Mapping[str, Any] | tuple[str, ...]
    is_open: bool = False
    metavar: str = "NAME"

    def check(self, field: str, value: Any) -> str:
        if self.is_open:
            return super().check(field, value)
        if value not in self.table:
            raise unknown_name(f"The {self.what}", str(value), self.table)
        return value

    def choices(self) -> tuple[str, ...]:
        return self.table.all_names() if isinstance(self.table, Registry) else tuple(self.table)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Whole(Value):
    """A whole number in low..high, written 300000, 300_000 or 3e5."""

    low: int | None = None
    high: int | None = None
    metavar: str = "N"

    def read(self, texts: Sequence[str]) -> int:
        try:
            return int(texts[0])
        except ValueError:
            number = number_in(texts[0])
        if number is None or not number.is_integer():
            raise ValueError(f"must be a whole number; got {texts[0]!r}")
        return int(number)

    def check(self, field: str, value: Any) -> int:
        return require_whole(field, value, self.low, self.high)

    def show(self, value: Any) -> str:
        return self.unset if value is None else f"{value:_}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Number(Value):
    """A number within bounds, which are those of `require_number`."""

    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    hint: str = ""
    metavar: str = "X"

    def read(self, texts: Sequence[str]) -> float:
        number = number_in(texts[0])
        if number is None:
            raise ValueError(f"must be a number; got {texts[0]!r}")
        return number

    def check(self, field: str, value: Any, of: str = "") -> Any:
        bounds = {"above": self.above, "at_least": self.at_least, "at_most": self.at_most, "below": self.below}
        require_number(field, value, **bounds, of=of, hint=self.hint)
        return value

    def show(self, value: Any) -> str:
        return self.unset if value is None else f"{value:g}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Switch(Value):
    """True or False: `--compile` where the default is False, `--no-video` where it is True.

    Args:
        help: what the option does, where the field's own docstring does not say it.
    """

    help: str = ""
    metavar: str = ""
    arity: ClassVar[Arity] = "none"

    def words(self, field: str, default: Any) -> list[Word]:
        name = field.replace("_", "-")
        return [Word(text=f"no-{name}" if default else name, value=not default, help=self.help)]

    def check(self, field: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ConfigError(f"`{field}` must be True or False; got {value!r}.")
        return value

    def show(self, value: Any) -> str:
        return ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OneOf(Value):
    """One of a few values, each with an option of its own: `--expert`, `--random`."""

    options: tuple[Word, ...]
    metavar: str = ""
    arity: ClassVar[Arity] = "none"

    def words(self, field: str, default: Any) -> list[Word]:
        return list(self.options)

    def check(self, field: str, value: Any) -> Any:
        known = [word.value for word in self.options]
        if value not in known:
            raise unknown_name(f"The {field}", str(value), map(str, known))
        return known[known.index(value)]

    def show(self, value: Any) -> str:
        return ""


class Hidden(Value):
    """Of a field that is no option."""

    def words(self, field: str, default: Any) -> list[Word]:
        return []


def number_in(text: str) -> float | None:
    """The number that a text is; None where it is none."""
    try:
        return float(text)
    except ValueError:
        return None
