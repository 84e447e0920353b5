"""`gymnasium.make`, with a sentence where an option is not known. It adapts nothing."""

import difflib
import inspect
import re
from collections.abc import Collection
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import load_env_creator

from ...perception.errors import UnknownOptionError, unknown_option

_UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")


def construct(env_id: str, options: dict[str, Any], other_options: Collection[str] = ()) -> gym.Env[Any, Any]:
    """Makes a registered environment, without Gymnasium's passive checker, which would cost time at every step.

    Args:
        env_id: a registered id.
        options: for `gymnasium.make` and the environment itself.
        other_options: names that are allowed too, which somebody else takes; for the error's sentence.

    Raises:
        ConfigError: the environment does not take one of the options.
    """
    try:
        return gym.make(env_id, disable_env_checker=True, **options)
    except UnknownOptionError:
        raise
    except TypeError as error:
        found = _UNEXPECTED.search(str(error))
        if found is None or found[1] not in options:
            raise
        allowed = sorted({*other_options, "render_mode", "max_episode_steps", *_parameters(env_id)})
        near = difflib.get_close_matches(found[1], allowed, n=1)
        meant = f'did you mean "{near[0]}", or another of' if near else "choose of"
        raise unknown_option(f'"{env_id}"', found[1], f"{meant}: {', '.join(allowed)}.") from error


def _parameters(env_id: str) -> set[str]:
    """The named parameters of the environment's class and of those it inherits from and may pass options on to."""
    entry_point = gym.spec(env_id).entry_point
    creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    makers = [base.__init__ for base in creator.__mro__] if isinstance(creator, type) else [creator]
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return {
        parameter.name
        for maker in makers
        if callable(maker)
        for parameter in inspect.signature(maker).parameters.values()
        if parameter.kind in named and parameter.name != "self"
    }
