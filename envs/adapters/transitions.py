"""What a foreign environment's `reset` and `step` give back, looked at before anybody reads it.

Their form is looked at each time, which costs next to nothing; whether a reward is finite, at the first step alone.
"""

import inspect
import math
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from ...perception.errors import ObservationError, SpecError

_NEW_API = (
    "reset(self, *, seed=None, options=None) returns (observation, info), and step(self, action) returns "
    "(observation, reward, terminated, truncated, info)"
)


def require_new_api(env: gym.Env[Any, Any]) -> None:
    """Refuses an environment whose `reset` takes no seed, as in the old Gym.

    Raises:
        SpecError: it is one.
    """
    try:
        parameters = inspect.signature(env.unwrapped.reset).parameters.values()
    except (TypeError, ValueError):
        return  # written in C, say; it is seen when it is called
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    missing = {"seed", "options"} - {parameter.name for parameter in parameters}
    if missing:
        raise SpecError(
            f"{type(env.unwrapped).__name__}.reset takes no {' and no '.join(sorted(missing, reverse=True))}, as in "
            f"the old Gym; write it for Gymnasium, where {_NEW_API}."
        )


def observation_of_reset(result: Any) -> tuple[Any, dict[str, Any]]:
    """The observation and a copy of the infos.

    Raises:
        ObservationError: `reset` gave something else.
    """
    if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], Mapping):
        raise ObservationError(
            f"The environment's reset must return (observation, info); got {_form(result)}. Write it for Gymnasium, "
            f"where {_NEW_API}."
        )
    return result[0], dict(result[1])


def parts_of_step(result: Any, *, looks_closely: bool) -> tuple[Any, float, bool, bool, dict[str, Any]]:
    """What `step` gave: plain numbers, and a copy of the infos.

    Args:
        result: as it came.
        looks_closely: whether the reward has to be finite.

    Raises:
        ObservationError: it is something else.
    """
    if not isinstance(result, tuple) or len(result) != 5 or not isinstance(result[4], Mapping):
        raise ObservationError(
            "The environment's step must return (observation, reward, terminated, truncated, info); got "
            f"{_form(result)}. Write it for Gymnasium, where {_NEW_API}."
        )
    observation, reward, terminated, truncated, info = result
    reward = reward if type(reward) is float else _number("reward", reward)
    if looks_closely and not math.isfinite(reward):
        raise ObservationError(f"The environment's reward must be a finite number; got {reward}. Fix the environment.")
    ends = [
        end if type(end) is bool else bool(_number(name, end))
        for name, end in (("terminated", terminated), ("truncated", truncated))
    ]
    return observation, reward, ends[0], ends[1], dict(info)


def _number(name: str, value: Any) -> float:
    """One real number, alone or as the only one of an array."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        array = np.empty(0, object)
    if array.size != 1 or array.dtype.kind not in "biuf":
        wanted = "one real number" if name == "reward" else "true or false"
        raise ObservationError(f"The environment's {name} must be {wanted}; got {_form(value)}. Fix the environment.")
    return float(array.reshape(-1)[0])


def _form(value: Any) -> str:
    """What something is, in few words."""
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} and shape {value.shape}"
    return "None" if value is None else f"{type(value).__name__} ({value!r:.40})"
