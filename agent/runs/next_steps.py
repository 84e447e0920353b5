"""Commands that go on with a run, as they are printed: with everything that has to be named again."""

import shlex

from .directory import RunDirectory
from .strangers import naming


def command_for(run: RunDirectory, command: str) -> str:
    """`senseweave COMMAND` on a run, so that it works as it stands.

    Args:
        run: the run.
        command: "train --resume", "evaluate" or "explain".
    """
    trained = run.config.train
    return f"senseweave {command} {shlex.quote(str(run.path))}{naming(trained.env, trained.env_options)}"
