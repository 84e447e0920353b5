"""Every exception that senseweave raises for something its caller can fix.

Each message is one sentence: the field, the rule, the value that came, the next step. The command line turns any
`SenseweaveError` into that sentence and exit status 2; anything else is a fault of ours and exits with 1.
"""

import difflib
from collections.abc import Iterable
from typing import Any

from .texts import shown

MAX_SENTENCE = 2000
"""Characters of a sentence; names and values in it may be anybody's."""


class SenseweaveError(Exception):
    """Base of all errors that a caller can fix. Whatever is put into its sentence, it is short and can be printed."""

    def __init__(self, *parts: Any, **named: Any) -> None:
        super().__init__(*(shown(part, MAX_SENTENCE) if isinstance(part, str) else part for part in parts), **named)


class SpecError(SenseweaveError, ValueError):
    """A `Spec` or a space does not describe senses that we know."""


class ObservationError(SenseweaveError, ValueError):
    """An observation does not fit its `Spec`: a wrong key, shape, dtype or value."""


class ConfigError(SenseweaveError, ValueError):
    """A setting is out of its range, unknown, or contradicts another one."""


class UnknownNameError(SenseweaveError, KeyError):
    """A name that chooses a class, a preset or an environment is not known."""

    def __str__(self) -> str:
        return Exception.__str__(self)  # a KeyError shows its message in quotes


class CheckpointError(SenseweaveError, RuntimeError):
    """Saved weights or a run directory are missing, damaged, or made for something else."""


class TokenizerMismatchError(CheckpointError):
    """Saved weights were trained with another tokenizer than the one given."""


class MissingExtraError(SenseweaveError, ImportError):
    """An optional package is needed; the message names the extra that installs it."""


def did_you_mean(name: str, known: Iterable[str], listed: str = "") -> str:
    """Ends a sentence with the nearest known name, or with the list of known names when that list is short.

    Args:
        name: what was given.
        known: the names that there are.
        listed: what to do to see them, where the list is long: "`senseweave envs` lists them".
    """
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    if not near:
        lowered = {choice.lower(): choice for choice in choices}
        near = [lowered[match] for match in difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)]
    if near:
        return f'did you mean "{near[0]}"?'
    if len(choices) <= 24:
        return f"choose one of: {', '.join(choices)}."
    return f"{len(choices)} names are known{f'; {listed}' if listed else ''}."


def unknown_name(what: str, name: str, known: Iterable[str], listed: str = "") -> UnknownNameError:
    """Builds the error for a name that is not in `known`; see `did_you_mean`."""
    return UnknownNameError(f'{what} "{name}" is not known; {did_you_mean(name, known, listed)}')
