"""Commands that go on with a run, as they are printed: with everything that has to be named again."""

import json
import shlex
from typing import Any

from .config import UNNAMED
from .directory import RunDirectory


def command_for(run: RunDirectory, command: str) -> str:
    """`senseweave COMMAND` on a run, so that it works as it stands.

    An environment of a user's own is named again, since no file of ours names code to import.

    Args:
        run: the run.
        command: "train --resume", "evaluate" or "explain".
    """
    trained = run.config.train
    words = ["senseweave", *command.split(), shlex.quote(str(run.path))]
    if trained.env == UNNAMED:
        words += ["--env", "ID"]
    elif ":" in trained.env:
        words += ["--env", shlex.quote(trained.env)]
        if "--resume" not in words:  # which goes on with the run's own options, and takes no others
            words += env_option_words(trained.env_options)
    return " ".join(words)


def env_option_words(options: dict[str, Any]) -> list[str]:
    """The options of an environment as the command line takes them, quoted for a shell."""
    words: list[str] = []
    for name, value in options.items():
        told = value if isinstance(value, str) else json.dumps(value)
        words += ["--env-option", shlex.quote(f"{name}={told}")]
    return words
