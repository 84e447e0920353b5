"""`Safety`: when the safe action is sent instead of the policy's, and which action that is. It sends nothing itself.

The rig asks it for a reason at every step; the watchdog (envs/live/watchdog.py) and the end of the session have theirs.
"""

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from ....perception.errors import ConfigError, did_you_mean
from ....perception.spec import Spec
from ..align import Moment

ROUNDING = 1e-6
"""So little outside the limits, relative to the action, is the rounding of float32 and nobody's mistake."""


class Safety:
    """The rules of one rig.

    Args:
        senses: what the rig senses.
        action_space: of the rig.
        action_names: the names of the actions; none where they have none.
        required: senses without which the policy must not act.
        safe_action: an action, or one's name; None sends nothing where the safe action would be sent.

    Attributes:
        action: the safe action, as the action space has it; None if there is none.

    Raises:
        ConfigError: there is no such sense or action, or senses are required and no action is safe.
    """

    def __init__(
        self,
        senses: Spec,
        action_space: gymnasium.Space[Any],
        action_names: tuple[str, ...],
        required: tuple[str, ...],
        safe_action: Any,
    ) -> None:
        for name in required:
            if name not in senses:
                raise ConfigError(f'`required` names "{name}", which is no sense; {did_you_mean(name, senses)}')
        if safe_action is None and required:
            raise ConfigError(
                f"`required` needs a `safe_action`, to send while {' or '.join(required)} is absent; got none."
            )
        self.action = _read(safe_action, action_space, action_names)
        self._required = tuple(required)
        self._action_space = action_space
        self._instructions = tuple(senses.texts())
        self._stopped_ns: int | None = None

    def look_for_stop(self, moment: Moment) -> None:
        """Notes whether the agent was told to stop, or told something else since."""
        for event in moment.events:
            if event.kind == "stop":
                self._stopped_ns = event.time_ns
        for name in self._instructions:
            reading = moment.readings[name]
            if reading is not None and self._stopped_ns is not None and reading.captured_ns > self._stopped_ns:
                self._stopped_ns = None

    def reason(self, action: Any, is_here: Callable[[str], bool]) -> str:
        """Why the policy's action must not be sent; "" if it may.

        Args:
            action: what the policy chose.
            is_here: tells of a sense whether it is present now.
        """
        missing = [name for name in self._required if not is_here(name)]
        if self._stopped_ns is not None:
            return "It was told to stop."
        if missing:
            return f"Without {' and '.join(missing)}."
        number = _as_numbers(action)
        if number is not None and not np.isfinite(number).all():
            return "The policy's action is not finite."
        return ""

    def fitted(self, action: Any) -> tuple[Any, str]:
        """An action as the action space has it.

        numpy's own float64 becomes the space's dtype, and what lies outside the limits is put on them: a loop that
        moves a body must not end because of the last digit of a number.

        Args:
            action: what the policy chose, finite.

        Returns:
            The action, and what was changed of it that somebody should know; "" if nothing.

        Raises:
            ConfigError: it is none of the action space, whatever its dtype.
        """
        space = self._action_space
        number = _as_numbers(action)
        if isinstance(action, np.ndarray | np.generic | int) and space.contains(action):
            return action, ""
        if number is None or number.shape != space.shape:
            is_array = isinstance(action, np.ndarray | np.generic)
            got = f"{action.dtype} of shape {action.shape}" if is_array else type(action).__name__
            raise ConfigError(f"The action must be one of {space}; got {got}, {action!r:.200}.")
        if isinstance(space, gymnasium.spaces.Box):
            whole = np.rint(number) if space.dtype.kind in "iu" else number
            outside = float(np.max(np.maximum(number - space.high, space.low - number), initial=0.0))
            is_told = outside > ROUNDING * max(1.0, float(np.abs(number).max(initial=0.0)))
            change = f"An action lay outside {space} by {outside:.3g} and was put on its limit." if is_told else ""
            return np.clip(whole, space.low, space.high).astype(space.dtype), change
        fitted = number.astype(space.dtype)
        fitted = fitted if fitted.shape else int(fitted)
        if not (number == fitted).all() or not space.contains(fitted):
            raise ConfigError(f"The action must be one of {space}; got {action!r:.200}.")
        return fitted, ""


def _as_numbers(action: Any) -> NDArray[np.float64] | None:
    """An action as an array; None if it is of no numbers."""
    try:
        return np.asarray(action).astype(np.float64, casting="same_kind")
    except (TypeError, ValueError):
        return None


def check_action_space(
    action_space: gymnasium.Space[Any] | None, action_names: tuple[str, ...]
) -> gymnasium.Space[Any]:
    """The space of a rig's actions: `action_space`, or a number for each name.

    Raises:
        ConfigError: there are neither, they contradict each other, or the space is one of parts.
    """
    if action_space is None and not action_names:
        raise ConfigError("A rig needs `action_names`, or an `action_space`; got neither.")
    space = gymnasium.spaces.Discrete(len(action_names)) if action_space is None else action_space
    if space.shape is None:
        raise ConfigError(f"A rig's actions are a number or an array; got {space}. Flatten it.")
    if action_names and getattr(space, "n", None) != len(action_names):
        raise ConfigError(f"{len(action_names)} `action_names` do not fit the action space {space}.")
    return space


def _read(safe_action: Any, action_space: gymnasium.Space[Any], action_names: tuple[str, ...]) -> Any:
    if isinstance(safe_action, str):
        if safe_action not in action_names:
            actions = ", ".join(action_names)  # all of them: a guess about safety could be fatal
            raise ConfigError(f'`safe_action` "{safe_action}" is no action; the actions are: {actions}.')
        return action_names.index(safe_action)
    if safe_action is not None and not action_space.contains(safe_action):
        raise ConfigError(f"`safe_action` must be one of {action_space}; got {safe_action!r}.")
    return safe_action
