"""`DatasetFacts`: what holds for all episodes of a dataset: senses, actions, seconds of a step. Data alone.

It is kept in every format that we write, as plain JSON, so that reading needs no guess. What other people's files say
in its place is read by each format.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from gymnasium import spaces

from ...perception.errors import SenseweaveError
from ...perception.spec import MAX_BYTES, Spec
from .errors import DatasetError

MAX_STEP_S = 86_400.0
"""A step that is longer is damage."""

MAX_NAMES = 10_000
"""So many actions may have names."""


@dataclasses.dataclass(frozen=True)
class DatasetFacts:
    """What holds for all episodes of a dataset.

    Args:
        spec: what is sensed.
        action_space: what is done, as a policy chooses it; None where the dataset holds no actions.
        action_names: of the choices 0, 1, 2... or of the numbers of an action; empty where they have none.
        step_s: seconds of a step.
        env: id of the environment, as `senseweave envs` lists it; "" where nobody says. It is told, and never opened.
    """

    spec: Spec
    action_space: spaces.Space[Any] | None
    action_names: tuple[str, ...] = ()
    step_s: float = 0.1
    env: str = ""

    def to_json(self) -> dict[str, Any]:
        """These facts as plain JSON values."""
        return {
            "spec": self.spec.to_json(),
            "action_space": None if self.action_space is None else space_to_json(self.action_space),
            "action_names": list(self.action_names),
            "step_s": self.step_s,
            "env": self.env,
        }

    @classmethod
    def from_json(cls, data: Any, where: str) -> Self:
        """Reads what `to_json` wrote.

        Args:
            data: the JSON values.
            where: the file, for the error's sentence.

        Raises:
            DatasetError: it says something else.
        """
        try:
            space = data["action_space"]
            return cls(
                spec=Spec.from_json(data["spec"]),
                action_space=None if space is None else space_from_json(space),
                action_names=names_in(data["action_names"]),
                step_s=step_in(data["step_s"]),
                env=str(data.get("env", "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, SenseweaveError) as error:
            raise DatasetError(f"{where} does not describe a dataset of this release ({error!s:.120}).") from error

    def require_like(self, other: "DatasetFacts", where: str, there: str) -> None:
        """Checks that both describe one dataset.

        Raises:
            DatasetError: the senses, the actions or the seconds of a step differ.
        """
        for name in ("spec", "action_space", "action_names", "step_s"):
            own, others = getattr(self, name), getattr(other, name)
            if own != others:
                raise DatasetError(
                    f"All parts of a dataset must be alike in `{name}`; {where} has {own!s:.160}, and {there} has "
                    f"{others!s:.160}. Move one of them away."
                )


def space_to_json(space: spaces.Space[Any]) -> dict[str, Any]:
    """An action space as plain JSON values.

    Raises:
        DatasetError: it is none in which a policy can act.
    """
    if isinstance(space, spaces.Discrete) and space.start == 0:
        return {"kind": "Discrete", "n": int(space.n)}
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1 and not space.start.any():
        return {"kind": "MultiDiscrete", "nvec": space.nvec.tolist()}
    if isinstance(space, spaces.MultiBinary) and len(space.shape) == 1:
        return {"kind": "MultiBinary", "n": int(space.shape[0])}
    if isinstance(space, spaces.Box) and np.isfinite(space.low).all() and np.isfinite(space.high).all():
        limits = {"low": space.low.reshape(-1).tolist(), "high": space.high.reshape(-1).tolist()}
        return {"kind": "Box", "shape": list(space.shape), "dtype": str(space.dtype)} | limits
    raise DatasetError(
        f"A dataset's actions must be Discrete, MultiDiscrete or MultiBinary from 0 in one row, or a Box with limits; "
        f"got {space!s:.120}. Wrap the environment with senseweave.envs.adapt(env)."
    )


def space_from_json(data: Mapping[str, Any]) -> spaces.Space[Any]:
    """Reads what `space_to_json` wrote.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    kind = data["kind"]
    if kind in ("Discrete", "MultiBinary"):
        number = _whole(data["n"])
        return spaces.Discrete(number) if kind == "Discrete" else spaces.MultiBinary(number)
    if kind == "MultiDiscrete":
        return spaces.MultiDiscrete([_whole(number) for number in data["nvec"]])
    if kind != "Box" or data["dtype"] not in ("float32", "float64"):
        raise ValueError(f"actions of the kind {kind!r:.40}")
    shape = tuple(_whole(side) for side in data["shape"])
    if math.prod(shape) != len(data["low"]) or math.prod(shape) * 8 > MAX_BYTES:
        raise ValueError("limits of another shape than the actions")
    dtype: Any = np.dtype(data["dtype"]).type
    low, high = (np.array(data[edge], dtype).reshape(shape) for edge in ("low", "high"))
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError("actions without limits")
    return spaces.Box(low, high, dtype=dtype)


def names_in(value: Any) -> tuple[str, ...]:
    """Names of actions.

    Raises:
        ValueError: they are none, or too many.
    """
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"actions named {value!r:.40}")
    if len(value) > MAX_NAMES:
        raise ValueError(f"{len(value):,} names of actions")
    return tuple(value)


def step_in(value: Any) -> float:
    """Seconds of a step.

    Raises:
        ValueError: it is no such length.
    """
    if isinstance(value, bool) or not 1e-6 <= float(value) <= MAX_STEP_S:
        raise ValueError(f"a step of {value!r:.40} s")
    return float(value)


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 < value <= 2**31:
        raise ValueError(f"{value!r:.40} in the place of a number of actions")
    return value
