"""The command line: reads options, runs a command, prints its result, and turns every error into one sentence.

Standard output carries the result alone (with `--json`, one JSON object); everything else that happens, libraries'
own prints included, goes to standard error. Commands are imported when they are chosen, so that `--help` is quick.
"""

import contextlib
import errno
import importlib.metadata
import json
import math
import os
import shutil
import sys
import textwrap
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from ...perception.errors import MAX_SENTENCE, ConfigError, EnvironmentFault, SenseweaveError
from ...perception.texts import shown
from .command import Command
from .commands import COMMANDS

SUCCESS, FAULT, MISTAKE, INTERRUPTED = 0, 1, 2, 130
ABOUT = "Trains agents that see, hear and are told what to do, and shows which of their senses they use."


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: words after `senseweave`; those of this process by default.

    Returns:
        The exit status: 0 success, 2 a mistake that the person can fix, 1 a fault, 130 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    shows_traceback = "--traceback" in words
    try:
        return _run(words, shows_traceback)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if shows_traceback:
            print(shown(traceback.format_exc(), None, keep="\n"), end="", file=sys.stderr)
        if isinstance(error, SenseweaveError):
            print(_one_line(error), *getattr(error, "__notes__", ()), sep="\n", file=sys.stderr)
            return FAULT if isinstance(error, EnvironmentFault) else MISTAKE
        print(
            f"A fault in senseweave or in a library: {type(error).__name__}: {_one_line(error)} "
            "(add --traceback to see where, and report it with that).",
            file=sys.stderr,
        )
        return FAULT


def _run(words: Sequence[str], shows_traceback: bool) -> int:
    if not words or words[0] in ("-h", "--help"):
        return _print(overview())
    if words[0] in ("-V", "--version"):
        return _print(f"senseweave {importlib.metadata.version('senseweave')}")
    name, *words = words
    command = _command(name)
    from .parse import parse, print_help, wants_help

    if wants_help(words):
        with _pipe_may_close():
            print_help(name, command)
        return SUCCESS
    settings, common = parse(name, command, words)
    with _output_kept_clean(), warnings.catch_warnings():
        if not sys.warnoptions and not shows_traceback:
            warnings.simplefilter("ignore")
        values, text = command.run(settings)
    if common.json:
        return _print(json.dumps(without_non_finite(values), allow_nan=False))
    return _print(shown(text, None, keep="\n"))  # names and instructions in it may be anybody's


def overview() -> str:
    """What the program does, and each of its commands with an example."""
    width = min(shutil.get_terminal_size().columns, 100)
    lines = [textwrap.fill(ABOUT, width), "", "usage: senseweave COMMAND [OPTIONS]", "", "commands:"]
    for name in COMMANDS.all_names():
        summary, example = _presented(name)
        lines += textwrap.wrap(summary, width, initial_indent=f"  {name:<10}", subsequent_indent=" " * 12)
        lines += [f"{'':12}{example}", ""]
    return "\n".join([*lines, "senseweave COMMAND --help shows a command's options; --version the release."])


def _command(name: str) -> Command[Any]:
    """A command by its name.

    Raises:
        UnknownNameError: there is none.
        ConfigError: an installed package declares one that cannot be imported, or is none.
    """
    command = COMMANDS[name]
    if not isinstance(command, Command):
        raise ConfigError(f'The command "{name}" is no `Command`; fix or uninstall the package that declares it.')
    return command


def _presented(name: str) -> tuple[str, str]:
    """A command's summary and example; of one that cannot be imported, the reason."""
    try:
        command = _command(name)
        return command.summary, command.example
    except SenseweaveError as error:
        return str(error), ""


def _one_line(error: BaseException) -> str:
    message = error.args[0] if isinstance(error, KeyError) and error.args else error
    return shown(" ".join(str(message).split()), MAX_SENTENCE) or "no message"


@contextlib.contextmanager
def _output_kept_clean() -> Iterator[None]:
    """Sends what anybody writes to standard output, C libraries included, to standard error."""
    with contextlib.redirect_stdout(sys.stderr):
        try:
            is_real = sys.__stdout__ is not None and sys.__stdout__.fileno() == 1 and sys.stderr.fileno() == 2
        except (OSError, ValueError, AttributeError):
            is_real = False
        if not is_real:
            yield
            return
        kept = os.dup(1)
        try:
            os.dup2(2, 1)
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)


def _print(text: str) -> int:
    if int(os.environ.get("RANK", "0")) > 0:  # of torchrun: the first process speaks for all
        return SUCCESS
    with _pipe_may_close():
        print(text)
    return SUCCESS


@contextlib.contextmanager
def _pipe_may_close() -> Iterator[None]:
    """Ends quietly where nobody reads any further: `senseweave envs | head`, or a terminal that was closed."""
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def without_non_finite(value: Any) -> Any:
    """Plain JSON values, in which NaN and infinity are null."""
    if isinstance(value, dict):
        return {str(key): without_non_finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_non_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main())
