"""`Wishes`: what a caller of `adapt` says about the sources, read from Python values or from a command line's words.

A command line has no kinds, only text: `--env-option 'kinds={"scan": Vector(20)}'` is read here, name by name, and
nothing of it is executed.
"""

import ast
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...perception.errors import ConfigError, SpecError, did_you_mean
from ...perception.spec import KINDS, Kind, Spec
from ...perception.tokenizer import DEFAULT_MAX_TOKENS

Tell = Callable[[Any, Mapping[str, Any]], str | None]
"""Gives the instruction for an observation and its infos, as the environment gave them; None where there is none."""


@dataclasses.dataclass(frozen=True)
class Wishes:
    """What the caller said about the sources, all by source name; see `adapt`."""

    camera: str | None = None
    audio: str | None = None
    instruction: str | Tell | None = None
    sample_rate_hz: int | None = None
    size: tuple[int, int] | None = None
    max_tokens: int = DEFAULT_MAX_TOKENS
    kinds: Mapping[str, Kind] = dataclasses.field(default_factory=dict)
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in ("camera", "audio"):
            name = getattr(self, field)
            if name is not None and not isinstance(name, str):
                raise ConfigError(f"`{field}` must be the name of a source; got {name!r}.")
        if self.instruction is not None and not isinstance(self.instruction, str) and not callable(self.instruction):
            raise ConfigError(
                f"`instruction` must be the name of a source, a text of several words, or a function of an observation "
                f"and its infos; got {self.instruction!r}."
            )


def read_size(size: Sequence[int] | None) -> tuple[int, int] | None:
    """(height, width) in pixels.

    Raises:
        ConfigError: it is something else.
    """
    if size is None:
        return None
    is_pair = isinstance(size, Sequence) and not isinstance(size, str) and len(size) == 2
    if not is_pair or not all(type(side) is int or hasattr(side, "__index__") for side in size):
        raise ConfigError(f"`size` must be (height, width) in pixels; got {size!r}.")
    return int(size[0]), int(size[1])


def read_names(field: str, names: Sequence[str]) -> tuple[str, ...]:
    """Names of sources; a string alone is one name.

    Raises:
        ConfigError: they are something else.
    """
    given = (
        (names,) if isinstance(names, str) else tuple(names) if isinstance(names, (Sequence, set, frozenset)) else ()
    )
    if not all(isinstance(name, str) for name in given) or not (given or isinstance(names, Sequence)):
        raise ConfigError(f'`{field}` must be a list of sources, such as ["depth"]; got {names!r}.')
    return given


def read_kinds(kinds: Mapping[str, Any] | str | None) -> dict[str, Kind]:
    """Source -> kind, from kinds, from their JSON values, or from text such as '{"scan": Vector(20)}'.

    Raises:
        ConfigError: they are something else.
        SpecError: a kind is not known, or its sizes do not fit.
    """
    if kinds is None:
        return {}
    if isinstance(kinds, str):
        kinds = _parsed(kinds)
    if not isinstance(kinds, Mapping) or not all(isinstance(name, str) for name in kinds):
        raise ConfigError(f'`kinds` must map sources to kinds, such as {{"scan": Vector(20)}}; got {kinds!r:.80}.')
    return {name: _kind(name, kind) for name, kind in kinds.items()}


def _kind(name: str, given: Any) -> Kind:
    if isinstance(given, Kind):
        return given
    if isinstance(given, str):
        return _called(_expression(given), given)
    if isinstance(given, Mapping):
        return Spec.from_json({"sense": given})["sense"]
    raise ConfigError(f'`kinds` must give "{name}" a kind, such as Vector(20); got {given!r:.80}.')


def _expression(text: str) -> ast.expr:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ConfigError(
            f'`kinds` must map sources to kinds, such as {{"scan": Vector(20)}}; got {text!r:.80}.'
        ) from None


def _parsed(text: str) -> Any:
    table = _expression(text)
    if not isinstance(table, ast.Dict):
        return text
    names = [key.value if isinstance(key, ast.Constant) else None for key in table.keys]
    return {name: _called(call, text) for name, call in zip(names, table.values, strict=True)}


def _called(call: ast.expr, text: str) -> Kind:
    """A kind that is written as Python would write it; its sizes are plain numbers."""
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ConfigError(f'`kinds` must map sources to kinds, such as {{"scan": Vector(20)}}; got {text!r:.80}.')
    if call.func.id not in KINDS:
        raise SpecError(f'There is no kind "{call.func.id}"; {did_you_mean(call.func.id, KINDS)}')
    try:
        values = [ast.literal_eval(value) for value in call.args]
        named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
        return KINDS[call.func.id](*values, **named)
    except (TypeError, ValueError) as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError(f"A {call.func.id} cannot be made of {text!r:.80}: {error}.") from None
