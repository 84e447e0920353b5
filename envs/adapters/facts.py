"""What a foreign environment tells about itself beside its spaces: names of actions, seconds of a step, success.

Environments of minigrid, ViZDoom and ALE tell it each in a way of their own; none of them is imported here.
"""

import enum
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from ...perception.errors import ConfigError

DEFAULT_STEP_S = 0.1

ALE_FRAMES_PER_S = 60
"""Of the machine that ALE emulates; its `render_fps` says 30, and knows nothing of the frames that a step skips."""


def action_names(env: gym.Env[Any, Any], given: Sequence[str] | None) -> tuple[str, ...]:
    """What the actions are called: as given, as the environment tells, or numbered.

    Raises:
        ConfigError: other than one name for each action was given.
    """
    space = env.action_space
    if isinstance(space, spaces.Discrete):
        number = int(space.n)
    else:
        number = int(np.prod(space.shape)) if space.shape is not None else 0
    if given is not None:
        names = [given] if isinstance(given, str) else list(given)
        if len(names) != number or not all(isinstance(name, str) for name in names):
            raise ConfigError(
                f"`action_names` must name all {number} actions; got {len(names)}: {', '.join(map(str, names))}."
            )
        return tuple(names)
    for told in (_own_names(env), _enum_names(env), _button_names(env)):
        if told is not None and len(told) >= number:
            return tuple(told[:number])
    return tuple(f"action_{index}" for index in range(number))


def _own_names(env: gym.Env[Any, Any]) -> list[str] | None:
    """As the environment calls them itself; what is no list of names tells nothing."""
    if env.has_wrapper_attr("action_names") and (named := env.get_wrapper_attr("action_names")) is not None:
        return _listed(named)
    if env.has_wrapper_attr("get_action_meanings"):
        meanings = env.get_wrapper_attr("get_action_meanings")
        listed = _listed(meanings() if callable(meanings) else meanings)
        return None if listed is None else [name.lower() for name in listed]
    return None


def _listed(names: Any) -> list[str] | None:
    is_list = isinstance(names, Iterable) and not isinstance(names, (str, bytes, Mapping))
    return [str(name) for name in names] if is_list else None


def _enum_names(env: gym.Env[Any, Any]) -> list[str] | None:
    """As minigrid has them: `env.actions` is an enumeration from 0 up."""
    actions = getattr(env.unwrapped, "actions", None)
    if not (isinstance(env.action_space, spaces.Discrete) and isinstance(actions, type)):
        return None
    if not issubclass(actions, enum.Enum) or [action.value for action in actions] != list(range(len(actions))):
        return None
    return [action.name.lower() for action in actions]


def _button_names(env: gym.Env[Any, Any]) -> list[str] | None:
    """As ViZDoom has them: buttons, and for numbered actions a table of those that each one presses."""
    world: Any = env.unwrapped
    if not hasattr(getattr(world, "game", None), "get_available_buttons"):
        return None
    buttons = [str(button).rpartition(".")[2].lower() for button in world.game.get_available_buttons()]
    if not isinstance(env.action_space, spaces.Discrete):
        return buttons
    pressed: Iterable[Any] = getattr(world, "button_map", ())
    rows = [[button for button, is_down in zip(buttons, row, strict=False) if is_down] for row in pressed]
    return ["+".join(row) or "noop" for row in rows]


def step_s(env: gym.Env[Any, Any], given: float | None) -> float:
    """Seconds that a step stands for: as given, as the environment tells, or 0.1.

    Raises:
        ConfigError: no number above 0 was given.
    """
    if given is not None:
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 < given < float("inf"):
            raise ConfigError(f"`step_s` must be a number of seconds above 0; got {given}.")
        return float(given)
    for name in ("step_s", "dt"):
        own = _above_0(env.get_wrapper_attr(name) if env.has_wrapper_attr(name) else None)
        if own is not None:
            return own
    skips = _above_0(env.get_wrapper_attr("frame_skip") if env.has_wrapper_attr("frame_skip") else None)
    frames = skips if skips is not None and skips.is_integer() else 1
    skipped = getattr(env.unwrapped, "_frameskip", None)
    if hasattr(env.unwrapped, "ale") and skipped is not None:
        low, beyond = skipped if isinstance(skipped, tuple) else (skipped, skipped + 1)
        return frames * (low + beyond - 1) / 2 / ALE_FRAMES_PER_S  # a pair is the range that frames are drawn from
    frames_per_s = _above_0((env.metadata or {}).get("render_fps"))
    return DEFAULT_STEP_S if frames_per_s is None else frames / frames_per_s


def _above_0(told: Any) -> float | None:
    """A number above 0, Python's or numpy's; None for anything else."""
    if isinstance(told, bool) or not isinstance(told, (int, float, np.number, np.ndarray)):
        return None
    number = np.asarray(told)
    if number.size != 1 or number.dtype.kind not in "iuf":
        return None
    value = float(number.item())
    return value if 0 < value < math.inf else None


def note_success(info: dict[str, Any]) -> None:
    """Says `is_success` where an environment said `success`, as robot simulators do."""
    if info.get("is_success") is None and info.get("success") is not None:
        told = np.asarray(info["success"])
        if told.size == 1 and told.dtype.kind in "biuf":
            info["is_success"] = bool(told.reshape(-1)[0])
