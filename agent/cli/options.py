"""The options of a command, derived from its settings: one field, one option. How they are parsed is in `parse.py`."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import docstring_parser

from ..settings.base import Section, Settings, kinds_of, sections_of
from ..settings.values import Arity, Value, Word


@dataclasses.dataclass(frozen=True)
class Option:
    """One word of the command line.

    Args:
        field: the setting that it gives.
        kind: what that setting holds.
        word: "steps" for `--steps`.
        help: what it does.
        hint: its choices and its default, for the help.
        section: where it stands in the help.
        value: what the field becomes, where no word follows.
        is_required: whether there is no default.
    """

    field: str
    kind: Value
    word: str
    help: str
    hint: str
    section: Section
    value: Any
    is_required: bool

    @property
    def arity(self) -> Arity:
        """How many words follow."""
        return self.kind.arity

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.kind.metavar if self.kind.is_positional else f"--{self.word}"

    def read(self, texts: Sequence[str]) -> Any:
        """The value that was given.

        Raises:
            ValueError: it cannot be read; the message continues the option's name.
        """
        if self.arity == "none":
            return self.value
        if not texts:
            raise ValueError("expected at least one argument")
        return self.kind.read(texts)


def options_of(settings: type[Settings]) -> list[Option]:
    """The options of a command, in the order of its fields."""
    kinds, sections, documented = kinds_of(settings), sections_of(settings), _documented(settings)
    defaults, section, options = settings.defaults(), Section(""), []
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]
        kind, section = kinds[field.name], sections.get(field.name, section)
        default = defaults.get(field.name, _default(field))
        is_required = default is dataclasses.MISSING
        for word in kind.words(field.name, default):
            told = word.help or documented.get(field.name, "")
            hint = "" if is_required else _hint(kind, word, default)
            options.append(Option(field.name, kind, word.text, told, hint, section, word.value, is_required))
    return options


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _hint(kind: Value, word: Word, default: Any) -> str:
    """What the help says after an option's sentence: its choices, and what holds when it is not given."""
    if kind.arity == "none":
        return "default" if word.value == default else ""
    shown = kind.show(default)
    parts = [
        f"one of: {', '.join(kind.choices())}" if kind.choices() else "",
        "may be repeated" if kind.arity == "repeated" else "",
        f"default: {shown}" if shown else "",
    ]
    return "; ".join(filter(None, parts))


def _documented(settings: type) -> Mapping[str, str]:
    """Field -> its line in `Args:` of the docstring, those of base classes included."""
    lines: dict[str, str] = {}
    for owner in reversed(settings.__mro__):
        for line in docstring_parser.parse(owner.__doc__ or "").params:
            lines[line.arg_name] = " ".join((line.description or "").split()).rstrip(".")
    return lines
