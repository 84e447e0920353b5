"""Which spaces a policy can learn in, and whether an observation space is still the one that its senses describe.

Environments of `senseweave.envs.adapt` always are. Others are looked at here, once, when a model is made: what would be
misread, or done as another action than was chosen, is refused in one sentence.
"""

from typing import Any

import numpy as np
from gymnasium import spaces

from ...perception.errors import ConfigError, SpecError
from ...perception.spec import PRESENT, Kind, Spec

PLAIN = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
_ADAPT = "wrap the environment with senseweave.envs.adapt(env)"


def require_plain_observations(space: spaces.Space[Any]) -> None:
    """Refuses observations that stable-baselines3 cannot hold: texts, tuples, dicts in dicts.

    Raises:
        ConfigError: it is one of them.
    """
    parts = space.spaces if isinstance(space, spaces.Dict) else {"": space}
    for name, part in parts.items():
        if not isinstance(part, PLAIN):
            where = f'"{name}" of the observation' if name else "The observation"
            raise ConfigError(f"{where} is a {type(part).__name__}, which no policy can read; {_ADAPT}.")


def require_plain_actions(space: spaces.Space[Any]) -> None:
    """Refuses actions that a policy could not choose, or that would be done as others than it chose.

    Raises:
        ConfigError: they do not count from 0 in one row, have no limits, or are of several sorts.
    """
    if isinstance(space, spaces.Discrete):
        fault = "" if space.start == 0 else f"do not count from 0, but from {space.start}"
    elif isinstance(space, spaces.MultiDiscrete):
        is_plain = space.nvec.ndim == 1 and not space.start.any()
        fault = "" if is_plain else "do not count from 0 in one row"
    elif isinstance(space, spaces.MultiBinary):
        fault = "" if len(space.shape) == 1 else "are not in one row"
    elif isinstance(space, spaces.Box):
        fault = "" if np.isfinite(space.low).all() and np.isfinite(space.high).all() else "have no limits"
    else:
        fault = f"are a {type(space).__name__}, in which no policy can act"
    if fault:
        raise ConfigError(f"The actions, {space!s:.120}, {fault}; {_ADAPT}, which serves them or says how.")


def require_senses(spec: Spec, space: spaces.Space[Any]) -> None:
    """Checks that an observation space, as stable-baselines3 shows it, holds readings of the senses as they are.

    Raises:
        SpecError: other keys, other shapes, frames that are stacked, or numbers that somebody rescales.
    """
    if not isinstance(space, spaces.Dict):
        raise SpecError(f"The observation space must be a spaces.Dict; got {space!s:.80}: {_ADAPT}.")
    if set(space.spaces) - {PRESENT} != set(spec.names):
        raise SpecError(
            f"The spec's modalities must be the observation space's keys; got {', '.join(spec.names)} "
            f"for {', '.join(sorted(set(space.spaces) - {PRESENT}))}. Pass the environment's own spec (env.senses)."
        )
    for name, kind in spec.items():
        _require_kind(name, kind, space[name])
    mask = space.spaces.get(PRESENT)
    if mask is not None and mask.shape != (len(spec),):
        raise SpecError(
            f'"{PRESENT}" must have one entry for each of the {len(spec)} senses; got shape {mask.shape}. Leave out '
            "the wrapper that stacks observations; a policy has a memory of its own (--memory gru)."
        )


def _require_kind(name: str, kind: Kind, box: spaces.Space[Any]) -> None:
    shape = tuple(box.shape or ())
    if shape != kind.shape and not is_moved(kind, box):
        if (frames := stacked_frames(kind.shape, shape)) is not None:
            raise SpecError(
                f'"{name}" is {frames} stacked readings, {shape}, in the observation space, but one, {kind.shape}, '
                "in the spec; leave out the wrapper that stacks them, and give the policy a memory of its own "
                "(--memory gru)."
            )
        raise SpecError(
            f'"{name}" is {kind.shape} in the spec, but {shape} in the observation space. '
            "Pass the environment's own spec (env.senses)."
        )
    own = kind.space()
    if not has_limits(kind) or not isinstance(box, spaces.Box):
        return
    low, high = (np.moveaxis(end, 0, -1) if is_moved(kind, box) else end for end in (box.low, box.high))
    sorts = "f" if np.issubdtype(own.dtype, np.floating) else "iu"
    if np.dtype(box.dtype).kind not in sorts or (low < own.low).any() or (high > own.high).any():
        raise SpecError(
            f'"{name}" is {box.dtype} within {box.low.min():g}..{box.high.max():g} in the observation space, but '
            f"{own.dtype} within {own.low.min():g}..{own.high.max():g} in the spec: somebody rescales it. Leave "
            f'"{name}" out of norm_obs_keys, or leave out the wrapper that rescales it.'
        )


def is_moved(kind: Kind, box: spaces.Space[Any]) -> bool:
    """Whether stable-baselines3 moved the channels to the front."""
    shape = tuple(box.shape or ())
    return len(kind.shape) == 3 and shape != kind.shape and shape == (kind.shape[2], *kind.shape[:2])


def has_limits(kind: Kind) -> bool:
    """Whether a reading has a scale of its own, so that nobody may rescale it; a `Vector` has none."""
    own = kind.space()
    return bool(np.isfinite(own.low).any() or np.isfinite(own.high).any())


def stacked_frames(one: tuple[int, ...], several: tuple[int, ...]) -> int | None:
    """How many readings of a shape are stacked in another one, along an axis of their own, the first or the last."""
    if several[1:] == one and len(several) == len(one) + 1:
        return several[0]
    moved = (one[-1], *one[:-1]) if one else one
    for shape, axis in ((one, len(one) - 1), (one, 0), (moved, 0)):
        if not shape or len(several) != len(shape):
            continue
        is_multiple = several[axis] > shape[axis] and several[axis] % shape[axis] == 0
        if is_multiple and several[:axis] + several[axis + 1 :] == shape[:axis] + shape[axis + 1 :]:
            return several[axis] // shape[axis]
    return None
