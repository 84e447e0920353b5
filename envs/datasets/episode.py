"""`Episode`: one episode in memory, as arrays over its steps; every format reads and writes these.

Row i of the observations is what was sensed before action i. Where the observation after the last action is known, it
is a row more. Whatever stands in the place of an absent sense is its placeholder.

n observations, t steps (n or n - 1), m senses
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from gymnasium import spaces
from jaxtyping import Float, Int
from numpy.typing import NDArray

from ...perception.spec import PRESENT, Spec
from ..live.clock import NS_PER_S
from .errors import DatasetError
from .facts import DatasetFacts

NO_TIME = int(np.iinfo(np.int64).min)
"""Stands in `captured_ns` where a sense is absent."""


@dataclasses.dataclass(frozen=True, eq=False)
class Episode:
    """One episode. `Episode.of` checks and fills in what is not known.

    Attributes:
        observations: sense -> (n, ...), as the spec says, and "present" (n, m), int8.
        actions: (t, ...), as the action space has them; None where nobody acted.
        rewards: of the actions; NaN where they are not known.
        terminated: whether the task ended it.
        truncated: whether something else ended it: a time limit, the end of a recording.
        success: None where nobody says.
        texts: the raw instruction at each observation, n; "" where there is none.
        times_ns: of the observations, nanoseconds, increasing.
        captured_ns: when the world was as each sense says; `NO_TIME` where it is absent.
        ages_s: of each sense's newest reading, in seconds; infinite where there was none.
        actors: who acted at each step, t: "expert", "policy", "random", "safe" or a name of the recorder's; "" where
            nobody says.
        seed: of the environment's reset; None where nobody says.
    """

    observations: dict[str, NDArray[Any]]
    actions: NDArray[Any] | None
    rewards: Float[np.ndarray, " t"]
    terminated: bool
    truncated: bool
    success: bool | None
    texts: tuple[str, ...]
    times_ns: Int[np.ndarray, " n"]
    captured_ns: Int[np.ndarray, "n m"]
    ages_s: Float[np.ndarray, "n m"]
    actors: tuple[str, ...]
    seed: int | None = None

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def has_final(self) -> bool:
        """Whether the observation after the last action is there."""
        return len(self.times_ns) > len(self.rewards)

    @property
    def instruction(self) -> str:
        """The first instruction; "" where there is none."""
        return next((text for text in self.texts if text), "")

    @classmethod
    def of(
        cls,
        facts: DatasetFacts,
        observations: Mapping[str, Any],
        actions: Any = None,
        rewards: Sequence[float] | Float[np.ndarray, " t"] | None = None,
        *,
        terminated: bool = False,
        truncated: bool = False,
        success: bool | None = None,
        texts: Sequence[str] | None = None,
        times_ns: Any = None,
        captured_ns: Any = None,
        ages_s: Any = None,
        actors: Sequence[str] | str = "",
        seed: int | None = None,
    ) -> Self:
        """An episode that is known to be whole.

        Args:
            facts: what it shall be like.
            observations: sense -> (n, ...); without "present", every sense is here.
            actions: (t, ...).
            rewards: t of them; not known by default.
            terminated: see the class.
            truncated: see the class; true where the task did not end it.
            success: see the class.
            texts: n of them; none by default.
            times_ns: (n,); a step apart, from 0, by default.
            captured_ns: (n, m); by default those of the observations, of a text since it holds.
            ages_s: (n, m); by default what the other times say.
            actors: t of them, or one for all.
            seed: see the class.

        Raises:
            DatasetError: something is of another shape than the rest, or not what the spec promises.
        """
        rows = _observations(facts.spec, observations)
        present = rows[PRESENT].astype(bool)
        n = len(present)
        done = None if actions is None else _actions(facts.action_space, actions)
        t = len(done) if done is not None else n
        if n - t not in (0, 1) or t == 0:
            raise DatasetError(f"An episode of {t} steps has {t} or {t + 1} observations, and at least 1; got {n}.")
        times = _column("times_ns", _since_0(n, facts.step_s) if times_ns is None else times_ns, (n,), np.int64)
        if (np.diff(times) <= 0).any():
            raise DatasetError("`times_ns` must increase from observation to observation, and they do not.")
        captured = captured_by_default(facts.spec, rows, times) if captured_ns is None else captured_ns
        captured = np.where(present, _column("captured_ns", captured, present.shape, np.int64), NO_TIME)
        if ages_s is None:
            ages_s = np.where(present, (times[:, None] - np.where(present, captured, 0)) / NS_PER_S, math.inf)
        names = (actors,) * t if isinstance(actors, str) else tuple(map(str, actors))
        spoken = ("",) * n if texts is None else tuple(map(str, texts))
        if len(names) != t or len(spoken) != n:
            raise DatasetError(f"{t} steps need as many actors, and {n} texts; got {len(names)} and {len(spoken)}.")
        return cls(
            observations=rows,
            actions=done,
            rewards=_column("rewards", np.full(t, np.nan) if rewards is None else rewards, (t,), np.float64),
            terminated=bool(terminated),
            truncated=bool(truncated or not terminated),  # whatever it was, something ended it
            success=None if success is None else bool(success),
            texts=spoken,
            times_ns=times,
            captured_ns=captured,
            ages_s=_column("ages_s", ages_s, present.shape, np.float64),
            actors=names,
            seed=seed,
        )


def captured_by_default(
    spec: Spec, rows: Mapping[str, NDArray[Any]], times_ns: Int[np.ndarray, " n"]
) -> Int[np.ndarray, "n m"]:
    """When each reading was captured, where nobody says: with its observation; a text since it holds."""
    captured = np.repeat(times_ns[:, None], len(spec), axis=1)
    for number, (name, kind) in enumerate(spec.items()):
        if not kind.is_text:
            continue
        here = rows[PRESENT][:, number].astype(bool)
        for row in range(1, len(times_ns)):
            if here[row] and here[row - 1] and np.array_equal(rows[name][row], rows[name][row - 1]):
                captured[row, number] = captured[row - 1, number]
    return captured


def _since_0(n: int, step_s: float) -> Int[np.ndarray, " n"]:
    return np.rint(np.arange(n) * step_s * NS_PER_S).astype(np.int64)


def _observations(spec: Spec, given: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    if given.keys() - {PRESENT} != set(spec):
        raise DatasetError(
            f"An episode's observations must be of {', '.join(spec)}; got {', '.join(sorted(given.keys()))}."
        )
    n = len(given[spec.names[0]])
    rows = {name: _reading_rows(name, kind, given[name], n) for name, kind in spec.items()}
    present = np.array(given.get(PRESENT, np.ones((n, len(spec)))), np.int8)
    if present.shape != (n, len(spec)) or not np.isin(present, (0, 1)).all():
        raise DatasetError(f'"{PRESENT}" must hold zeros and ones of shape {(n, len(spec))}; got {present.shape}.')
    for number, (name, kind) in enumerate(spec.items()):
        gone = present[:, number] == 0
        if gone.any():
            rows[name] = np.where(gone.reshape(-1, *[1] * len(kind.shape)), kind.placeholder(), rows[name])
    return rows | {PRESENT: present}


def _reading_rows(name: str, kind: Any, given: Any, n: int) -> NDArray[Any]:
    rows = np.asarray(given)
    if rows.shape != (n, *kind.shape) or not np.can_cast(rows.dtype, kind.dtype, "same_kind"):
        raise DatasetError(
            f'"{name}" must be {np.dtype(kind.dtype)} of shape {(n, *kind.shape)}, as the spec says; got {rows.dtype} '
            f"of shape {rows.shape}."
        )
    return rows.astype(kind.dtype, copy=False)


def _actions(space: spaces.Space[Any] | None, given: Any) -> NDArray[Any]:
    if space is None:
        raise DatasetError("The dataset's action space is None, so no episode has actions; say what it is.")
    actions, shape = np.asarray(given), tuple(space.shape or ())
    sorts = "biuf" if isinstance(space, spaces.Box) else "biu"
    if actions.shape[1:] != shape or actions.dtype.kind not in sorts:
        raise DatasetError(f"Actions must be rows of {space!s:.120}; got {actions.dtype} of shape {actions.shape}.")
    if actions.dtype.kind == "f" and not np.isfinite(actions).all():
        raise DatasetError("Actions must be finite numbers; an action of the episode is not.")
    actions = actions.astype(space.dtype)
    if isinstance(space, spaces.Box):
        return actions
    highest = getattr(space, "nvec", getattr(space, "n", 2)) if not isinstance(space, spaces.MultiBinary) else 2
    if (actions < 0).any() or (actions >= highest).any():
        raise DatasetError(f"Actions must be rows of {space!s:.120}; got {actions.min()}..{actions.max()}.")
    return actions


def _column(name: str, given: Any, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    values = np.asarray(given, dtype)
    if values.shape != shape:
        raise DatasetError(f"`{name}` must be of shape {shape}; got {values.shape}.")
    return values
