"""Gymnasium's spaces as plain JSON values and back, and whether two of them are the same to a policy.

Spaces that stable-baselines3's policies know: Box, Discrete, MultiDiscrete, MultiBinary and Dict. Nothing heavy is
imported with it: an exported policy reads its actions here.
"""

import math
from typing import Any, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ...perception.errors import CheckpointError, ConfigError
from ...perception.texts import shown

MAX_VALUES = 2**26
"""The most values that one part of a saved space may have."""


def describe_space(space: spaces.Space[Any]) -> dict[str, Any]:
    """A space as plain JSON values.

    Raises:
        ConfigError: it is of another sort.
    """
    if isinstance(space, spaces.Box):
        limits = {"low": _limit_to_json(space.low), "high": _limit_to_json(space.high)}
        return {"sort": "Box", "shape": list(space.shape), "dtype": str(space.dtype)} | limits
    if isinstance(space, spaces.Discrete):
        return {"sort": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        more = {"start": space.start.tolist(), "dtype": str(space.dtype)}
        return {"sort": "MultiDiscrete", "nvec": space.nvec.tolist()} | more
    if isinstance(space, spaces.MultiBinary):
        return {"sort": "MultiBinary", "n": space.n if isinstance(space.n, int) else list(space.shape)}
    if isinstance(space, spaces.Dict):
        return {"sort": "Dict", "spaces": {name: describe_space(part) for name, part in space.spaces.items()}}
    raise ConfigError(f"A {type(space).__name__} space cannot be saved; got {space}. Choose Box, Discrete or Dict.")


def read_space(content: Any) -> spaces.Space[Any]:
    """The space that `describe_space` described.

    Raises:
        CheckpointError: it is no such description.
    """
    try:
        return _read(content)
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError, OverflowError, MemoryError) as error:
        told = f"{shown(repr(error), 120)}): {shown(repr(content), 80)}"
        raise CheckpointError(f"A saved space is none that this release knows ({told}.") from error


def _read(content: dict[str, Any]) -> spaces.Space[Any]:
    sort = content["sort"]
    if sort == "Box":
        shape, dtype = tuple(content["shape"]), np.dtype(content["dtype"])
        _require_small(math.prod(shape), *shape)
        low, high = (_limit_from_json(content[name], shape, dtype) for name in ("low", "high"))
        return spaces.Box(low, high, shape, cast(Any, dtype.type))
    if sort == "Discrete":
        return spaces.Discrete(content["n"], start=content["start"])
    if sort == "MultiDiscrete":
        dtype: Any = np.dtype(content.get("dtype", "int64")).type
        return spaces.MultiDiscrete(content["nvec"], dtype, start=content.get("start"))
    if sort == "MultiBinary":
        sizes = content["n"] if isinstance(content["n"], list) else [content["n"]]
        _require_small(math.prod(sizes), *sizes)
        return spaces.MultiBinary(content["n"])
    if sort == "Dict":
        return spaces.Dict({name: _read(part) for name, part in content["spaces"].items()})
    raise ValueError(f"unknown sort {sort!r}")


def _require_small(*sizes: int) -> None:
    """Before a space of that size is made."""
    if not all(type(size) is int and 0 <= size <= MAX_VALUES for size in sizes):
        raise ValueError(f"sizes {sizes!r:.60} outside of 0..{MAX_VALUES}")


def _limit_to_json(limit: NDArray[Any]) -> Any:
    """What is the same along the first axes stands there once; infinite numbers as text, which JSON can hold."""
    held = np.asarray(limit)
    while held.ndim and len(held) and bool((held == held[0]).all()):
        held = np.asarray(held[0])
    return np.where(np.isfinite(held), held.astype(object), held.astype(str).astype(object)).tolist()


def _limit_from_json(limit: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    held = np.array(limit, object)
    numbers = np.array([float(number) if isinstance(number, str) else number for number in held.reshape(-1)], dtype)
    return np.broadcast_to(numbers.reshape(held.shape), shape).copy()


def same_to_a_policy(one: spaces.Space[Any], other: spaces.Space[Any]) -> bool:
    """Whether a policy may read (or act in) one as the other: SB3 moves the channels of pictures, where it wraps."""
    return one == other or _channels_first(one) == _channels_first(other)


def _channels_first(space: spaces.Space[Any]) -> spaces.Space[Any]:
    from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
    from stable_baselines3.common.vec_env import VecTransposeImage

    if isinstance(space, spaces.Dict):
        return spaces.Dict({name: _channels_first(part) for name, part in space.spaces.items()})
    if isinstance(space, spaces.Box) and is_image_space(space) and not is_image_space_channels_first(space):
        return VecTransposeImage.transpose_space(space)
    return space
