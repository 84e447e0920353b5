"""`actions_of`: the actions of a run's policy. No torch here, as a server of exported policies needs none."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gymnasium

from ...envs import make
from .strangers import choose_env

if TYPE_CHECKING:
    from .directory import RunDirectory


def actions_of(
    run: "RunDirectory", env: str | None = None, env_options: Mapping[str, Any] | None = None
) -> gymnasium.Space[Any]:
    """A run's actions; where only its environment knows them, that is made for a moment.

    Args:
        run: the run directory.
        env: the environment again, where the run's file may not choose it.
        env_options: its options.

    Raises:
        SenseweaveError: the environment has to be named, or cannot be made.
    """
    if (told := run.reader.actions(run.path, run.config)) is not None:
        return told
    env_id, options = choose_env(run, env, None if env_options is None else dict(env_options))
    made = make(env_id, **options)
    try:
        return made.action_space
    finally:
        made.close()
