"""Commands that go on with a run, as they are printed: with everything that has to be named again."""

import shlex

from ..settings.train import UNNAMED
from .directory import RunDirectory
from .strangers import naming


def command_for(run: RunDirectory, command: str) -> str:
    """`senseweave COMMAND` on a run, so that it works as it stands.

    Args:
        run: the run.
        command: "train --resume", "evaluate" or "explain".
    """
    trained = run.config.train
    if command == "train --resume" and trained.dataset is not None:
        named = "" if trained.env == UNNAMED else naming(trained.env, trained.env_options)
        dataset = shlex.quote(trained.dataset)
        return f"senseweave {command} {shlex.quote(str(run.path))} --dataset {dataset}{named}"
    return f"senseweave {command} {shlex.quote(str(run.path))}{naming(trained.env, trained.env_options)}"
