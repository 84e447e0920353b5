"""Every exception that senseweave raises for something its caller can fix.

Each message is one sentence: the field, the rule, the value that came, the next step. The command line turns any
`SenseweaveError` into that sentence and exit status 2; anything else is a fault of ours and exits with 1.
"""

import difflib
import importlib.metadata
import re
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


class UnknownOptionError(ConfigError, TypeError):
    """A keyword argument is not known: also what Python raises then, whose sentence callers look for."""

    def __init__(self, message: str) -> None:
        # Gymnasium raises every TypeError once more, with this and all keywords behind the sentence.
        super().__init__(message.partition(" was raised from the environment creator")[0])


class UnknownNameError(SenseweaveError, KeyError):
    """A name that chooses a class, a preset or an environment is not known."""

    def __str__(self) -> str:
        return Exception.__str__(self)  # a KeyError shows its message in quotes


class CheckpointError(SenseweaveError, RuntimeError):
    """Saved weights or a run directory are missing, damaged, or made for something else."""


class TokenizerMismatchError(CheckpointError):
    """Saved weights were trained with another tokenizer than the one given."""


class ExportError(SenseweaveError, RuntimeError):
    """A policy or a perception cannot be made into a file that runs without its training code."""


class EnvironmentFault(SenseweaveError, RuntimeError):  # noqa: N818 - whose fault it is, is what it says
    """An environment, or other code that senseweave was given, failed while it ran; the exit status is 1.

    `__cause__` is what it raised, and `__notes__` may hold where in that code it happened.
    """


class MissingExtraError(SenseweaveError, ImportError):
    """An optional package is needed; the message names the extra that installs it."""


def packages_of_extra(extra: str) -> list[str]:
    """What an extra of senseweave installs, as pip takes it: `packages_of_extra("data")` -> ["mcap>=1.6", ...].

    It is read from the metadata of the installed distribution, where pyproject.toml put it; [] without any.
    """
    try:
        required = importlib.metadata.requires("senseweave") or []
    except importlib.metadata.PackageNotFoundError:  # on PYTHONPATH, and not installed
        return []
    parts = [requirement.partition(";") for requirement in required]
    return [package.strip() for package, _, marker in parts if re.search(rf"extra == .{re.escape(extra)}.$", marker)]


def how_to_install(extra: str) -> str:
    """The end of a sentence: a command that installs an extra's packages, from wherever senseweave came."""
    packages = packages_of_extra(extra) or [f"senseweave[{extra}]"]
    quoted = " ".join(f'"{package}"' for package in packages)
    return f"it comes with senseweave[{extra}]; run: pip install {quoted}"


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


def unknown_option(what: str, option: str, advice: str) -> UnknownOptionError:
    """Builds the error for a keyword that `what` does not take, with Python's own words in it; advice ends it."""
    words = f"Python calls it an unexpected keyword argument '{option}'."
    return UnknownOptionError(f'{what} does not take the option "{option}"; {advice} {words}')
