"""Reads a command line with tyro: words into a command's settings, options into its help, mistakes into one sentence.

tyro gets a `TypedDict` of plain words. That way it says which options were really given, and nothing is converted
inside it: each kind of value reads its own words here, where a mistake is an exception and no box. Of tyro only what
is documented is used.
"""

import contextlib
import dataclasses
import io
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NotRequired, Required, TypedDict

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from ...perception.errors import ConfigError, did_you_mean
from ..settings.base import Settings
from .command import Command
from .options import Option, options_of

FLAT = (tyro.conf.OmitArgPrefixes,)
"""Options have no prefix of their section."""

MAX_COLUMNS = 100
"""Help is no wider, however wide the terminal is."""


@dataclasses.dataclass(frozen=True)
class Common(Settings):
    """What every command takes.

    Args:
        json: print one JSON object, and nothing else, on standard output.
        traceback: show where in the code a fault arose.
    """

    json: bool = False
    traceback: bool = False


def wants_help(words: Sequence[str]) -> bool:
    """Whether the help is asked for."""
    options = list(words)[: list(words).index("--")] if "--" in words else words
    return bool({"-h", "--help"} & set(options))


def print_help(name: str, command: Command[Any]) -> None:
    """Prints what a command can be told, as wide as the terminal."""
    width = min(shutil.get_terminal_size().columns, MAX_COLUMNS)
    about = textwrap.indent(textwrap.fill(command.summary, width - 2), "  ")  # tyro keeps the breaks of indented lines
    structure, prog = _structure(_options(command)), f"senseweave {name}"
    held = _Held(sys.stdout.isatty())
    with (
        contextlib.redirect_stdout(held),
        contextlib.suppress(SystemExit),
        _terminal_of(width),
    ):  # tyro ends the process
        tyro.cli(structure, prog=prog, description=about, args=["--help"], config=FLAT)
    usage, _, rest = held.getvalue().partition("\n")
    bare = re.sub("\x1b\\[[0-9;]*m", "", usage)  # without colours, which take no room
    if len(bare) > width:
        usage = textwrap.fill(bare, width, subsequent_indent=" " * len("usage: "), break_on_hyphens=False)
    print(usage, rest, sep="\n")
    for part in filter(None, (command.teaching.rstrip(), f"example:\n  {command.example}")):
        print(f"\n{part}")


class _Held(io.StringIO):
    """Holds back what tyro prints, who does not wrap its first line, and is a terminal where the real one is."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@contextlib.contextmanager
def _terminal_of(width: int) -> Iterator[None]:
    """Lets tyro believe in a terminal of that width: lines as long as a wide one allows are hard to read."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(width)
    try:
        yield
    finally:
        os.environ.pop("COLUMNS")
        if before is not None:
            os.environ["COLUMNS"] = before


def parse(name: str, command: Command[Any], words: Sequence[str]) -> tuple[Settings, Common]:
    """Reads what a command is told.

    Raises:
        ConfigError: an option is not known, lacks its value or cannot be read, or a setting is out of its range.
    """
    options = _options(command)
    _refuse_values_of_switches(name, options, words)
    given, unknown = _cut(name, options, _unnamed(options, words))
    if unknown:
        raise _unknown(name, unknown[0], options)
    values = _read(name, options, given)
    missing = [option.name for option in options if option.is_required and option.field not in values]
    if missing:
        raise _mistake(name, f"The following arguments are required: {', '.join(missing)}")
    common = {field: values.pop(field) for field in ("json", "traceback") if field in values}
    return command.settings.from_options(values), Common(**common)


def _refuse_values_of_switches(name: str, options: Sequence[Option], words: Sequence[str]) -> None:
    switches = {option.name for option in options if option.arity == "none"}
    for word in words[: list(words).index("--")] if "--" in words else words:
        switch, equals, value = word.partition("=")
        if equals and switch in switches:
            raise _mistake(name, f'`{switch}` takes no value; got "{value}"')


def _unnamed(options: Sequence[Option], words: Sequence[str]) -> list[str]:
    """The words with `--env ID` as `ID` in front, where the environment is a word without a name (`watch`).

    Most commands take the environment by `--env`, and their advice says so; a command where it comes first takes both.
    """
    plain = list(words)
    for option in options:
        name = f"--{option.field.replace('_', '-')}"
        if not option.kind.is_positional or option.is_required:
            continue
        for place, word in enumerate(plain):
            if word == "--":
                break
            if word == name and place + 1 < len(plain) and not plain[place + 1].startswith("-"):
                return [plain[place + 1], *plain[:place], *plain[place + 2 :]]
            if word.startswith(f"{name}="):
                return [word.partition("=")[2], *plain[:place], *plain[place + 1 :]]
    return plain


def _options(command: Command[Any]) -> list[Option]:
    return [*options_of(command.settings), *options_of(Common)]


def _read(name: str, options: Sequence[Option], given: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The value of each field that was given."""
    values: dict[str, Any] = {}
    giver: dict[str, Option] = {}
    for option in options:
        if option.word not in given:
            continue
        if option.field in giver:
            raise _mistake(name, f"`{option.name}` cannot be given together with {giver[option.field].name}")
        giver[option.field] = option
        try:
            values[option.field] = option.read(given[option.word])
        except ValueError as error:
            raise _mistake(name, f"`{option.name}` {error}") from None
        if option.kind.word:  # the settings would call it by the field's name, which nobody typed
            values[option.field] = option.kind.check(option.name, values[option.field])
    return values


def _mistake(name: str, what: str) -> ConfigError:
    return ConfigError(f"{what}; see: senseweave {name} --help.")


def _unknown(name: str, text: str, options: Sequence[Option]) -> ConfigError:
    word = text.partition("=")[0]
    if not word.startswith("-"):
        return _mistake(name, f'"{word}" is one word too many')
    known = ["--help", *(option.name for option in options if not option.kind.is_positional)]
    return ConfigError(f'`{name}` has no option "{word}"; {did_you_mean(word, known)}')


def _cut(name: str, options: Sequence[Option], words: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Cuts a command line into options.

    Returns:
        By option, the words that were given for it; and the words that nothing takes.

    Raises:
        ConfigError: an option lacks its value.
    """
    try:
        structure = _structure(options)
        parts, unknown = tyro.cli(
            structure, prog="senseweave", args=words, config=FLAT, return_unknown_args=True, console_outputs=False
        )
    except SystemExit as end:
        if end.code != 2:  # it wrote a completion script, say
            raise
        raise _mistake(name, _lacks_value(options, words)) from None
    found = {key: texts for part in (parts, *parts.values()) if isinstance(part, dict) for key, texts in part.items()}
    given = {}
    for option in options:
        texts = found.get(_key(option))
        if option.arity == "repeated":  # a list of one word each; empty where there is none
            texts = [text for each in texts or [] for text in each] or None
        if texts is not None:
            given[option.word] = texts
    return given, unknown


def _lacks_value(options: Sequence[Option], words: Sequence[str]) -> str:
    """The one mistake that tyro finds itself: `--steps` at the end, or before another option."""
    takes_one = {option.name for option in options if option.arity in ("one", "repeated")}
    for word, following in zip(words, [*words[1:], "--"], strict=True):
        if word.replace("_", "-") in takes_one and re.match(r"--?[A-Za-z]|--$", following):
            return f"`{word}` expected one argument"
    return "The options cannot be read"


def _structure(options: Sequence[Option]) -> Any:
    """What tyro parses into: option -> its words, in a `TypedDict` a section."""
    sections: dict[str, dict[str, Any]] = {}
    for option in options:
        sections.setdefault(option.section.title, {})[_key(option)] = _annotation(option)
    abouts = {option.section.title: option.section.about for option in reversed(options) if option.section.about}
    parts = {title: _typed_dict(title, fields, abouts.get(title, "")) for title, fields in sections.items() if title}
    return _typed_dict("Options", {**parts, **sections.get("", {})})


def _key(option: Option) -> str:
    return option.word.replace("-", "_")


def _typed_dict(title: str, fields: dict[str, Any], about: str = "") -> Any:
    made = TypedDict(title, fields, total=False)  # type: ignore[misc,operator]
    made.__doc__ = about
    return made


def _annotation(option: Option) -> Any:
    """One option in tyro's terms: how many words it takes, and what the help says."""
    nargs = {"none": 0, "one": 1, "several": "*", "repeated": 1}[option.arity]
    hint = f"({option.hint})" if option.hint else ""
    metavar = option.kind.metavar + (" ..." if option.arity == "several" else "")
    if option.kind.is_positional and not option.is_required:
        metavar = f"[{metavar}]"
    words = PrimitiveConstructorSpec(
        nargs=nargs,
        metavar=metavar or None,  # type: ignore[arg-type]  # an empty one would leave a blank in "[--json ]"
        instance_from_str=list,
        is_instance=lambda value: isinstance(value, list),
        str_from_instance=list,
    )
    notes = [tyro.conf.arg(help=option.help, help_behavior_hint=hint, metavar=metavar or None)]
    if option.kind.is_positional:
        notes.append(tyro.conf.Positional)
    if option.arity != "repeated":
        return NotRequired[Annotated[(list, words, *notes)]]
    each = Annotated[list, words]
    return Required[Annotated[(tyro.conf.UseAppendAction[list[each]], *notes)]]  # [] where it was not given
