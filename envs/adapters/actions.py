"""`PlainActions`: a foreign action space as policies know it, and their actions as the environment takes them.

Policies count from 0 and have one row of choices. What an environment has beyond that (a start, several axes, whole
numbers in a box) is undone here, so that nobody between a policy and its environment has to think of it.
"""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ...perception.errors import ObservationError, SpecError


class PlainActions:
    """How actions are shown, and taken back.

    Args:
        own: the environment's action space.

    Attributes:
        space: what policies see: Discrete and MultiDiscrete from 0, in one row; MultiBinary in one row; Box of floats.

    Raises:
        SpecError: no policy can act in it.
    """

    def __init__(self, own: spaces.Space[Any]) -> None:
        self._own = own
        self.space = _shown(own)
        self._choices: NDArray[Any] = np.empty(0)  # how many there are, in each place of an action
        if isinstance(self.space, spaces.Discrete):
            self._choices = np.array(self.space.n)
        elif isinstance(self.space, spaces.MultiDiscrete):
            self._choices = self.space.nvec
        elif isinstance(self.space, spaces.MultiBinary):
            self._choices = np.full(self.space.shape, 2)

    @property
    def are_the_same(self) -> bool:
        """Whether nothing has to be undone."""
        own = self._own
        is_plain = not isinstance(own, spaces.Box) or (own.dtype == np.float32 and own.shape != ())
        return self.space is own and is_plain

    def taken_back(self, action: Any) -> Any:
        """The environment's own action.

        Raises:
            ObservationError: it is none of the actions that are shown.
        """
        own = self._own
        if self.are_the_same:
            return action
        chosen = np.asarray(action)
        if isinstance(own, spaces.Box):
            return _in_box(own, chosen)
        is_whole = chosen.dtype.kind in "iu" or (chosen.dtype.kind == "f" and bool((chosen == np.rint(chosen)).all()))
        is_right = is_whole and chosen.size == int(np.prod(self.space.shape or ()))
        if not is_right or (chosen < 0).any() or (chosen.reshape(self._choices.shape) >= self._choices).any():
            raise ObservationError(f"The action must be one of {self.space}; got {action!r:.60}.")
        if isinstance(own, spaces.Discrete):
            return own.start + chosen.reshape(())[()].astype(np.int64)
        if isinstance(own, spaces.MultiDiscrete):
            return (chosen.reshape(own.nvec.shape) + own.start).astype(own.dtype)
        return chosen.reshape(own.shape or ()).astype(own.dtype)


def _shown(own: spaces.Space[Any]) -> spaces.Space[Any]:
    """The space that is shown; the very same one where policies know it as it is."""
    if isinstance(own, spaces.Discrete):
        return own if own.start == 0 else spaces.Discrete(int(own.n))
    if isinstance(own, spaces.MultiDiscrete):
        is_plain = own.nvec.ndim == 1 and not own.start.any()
        return own if is_plain else spaces.MultiDiscrete(own.nvec.reshape(-1))
    if isinstance(own, spaces.MultiBinary):
        return own if len(own.shape) == 1 else spaces.MultiBinary(int(np.prod(own.shape)))
    if isinstance(own, spaces.Box):
        return _shown_box(own)
    raise SpecError(
        f"The actions are a {type(own).__name__}, {own!s:.120}, in which no policy can act; wrap the environment with "
        "gymnasium.wrappers.TransformAction, so that they are one Box, Discrete, MultiDiscrete or MultiBinary."
    )


def _shown_box(own: spaces.Box) -> spaces.Box:
    if not (np.isfinite(own.low).all() and np.isfinite(own.high).all()):
        raise SpecError(
            f"The actions, {own!s:.120}, have no limits, but a policy needs them; wrap the environment with "
            "gymnasium.wrappers.TransformAction(env, lambda action: action, gymnasium.spaces.Box(-1.0, 1.0, "
            f"{own.shape}))."
        )
    if np.issubdtype(own.dtype, np.floating):
        return own
    return spaces.Box(own.low.astype(np.float32), own.high.astype(np.float32), dtype=np.float32)


def _in_box(own: spaces.Box, chosen: NDArray[Any]) -> NDArray[Any]:
    """In the space's own type, and within limits that a policy's float32 may have rounded beyond."""
    if chosen.size != int(np.prod(own.shape)) or chosen.dtype.kind not in "iuf":
        raise ObservationError(f"The action must be one of {own}; got {chosen!r:.60}.")
    if not np.isfinite(chosen).all():
        raise ObservationError(f"The action must be finite numbers in {own}; got {chosen!r:.60}.")
    chosen = chosen.reshape(own.shape)
    if np.issubdtype(own.dtype, np.integer):
        chosen = np.rint(chosen)
    return np.asarray(np.clip(chosen.astype(np.float64), own.low, own.high), own.dtype)
