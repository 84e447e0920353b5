"""`SessionsSource`: recorded sessions as episodes.

Where an episode begins, a recording says: by the ticks' "episode", or where the body reports an end. What says nothing
is one episode. Ticks in which nothing was done belong to no episode, unless nothing was ever done in the recording.
"""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from ....perception.errors import SpecError
from ....perception.spec import PRESENT
from ...live.sessions.format import SessionError
from ...live.sessions.session import Session, observations_of, session_files
from ...live.sessions.ticks import TickRecord
from ..episode import NO_TIME, Episode
from ..episodes import Source
from ..errors import DatasetError
from ..facts import DatasetFacts
from .writer import ACTOR, EPISODE

_ENDS = ("terminated", "truncated")


@dataclasses.dataclass(frozen=True)
class _Part:
    """One episode of a recording: its ticks from `first` on, `rows` of them, of which `steps` have an action."""

    session: Session
    first: int
    rows: int
    steps: int


class SessionsSource(Source):
    """A recording, or a folder of them.

    Args:
        path: an .mcap file, or a folder.
        allow_damaged: see `open_dataset`.

    Raises:
        DatasetError: there is nothing, the recordings are not alike, or one is damaged and that is not allowed.
    """

    format = "sessions"

    def __init__(self, path: Path, *, allow_damaged: bool) -> None:
        self.where = str(path)
        self._parts: list[_Part] = []
        damage, facts = list[str](), list[tuple[DatasetFacts, Session]]()
        for file in session_files(path):
            try:
                session = Session(file)
                facts.append((_facts_of(session), session))
                self._parts += _parts_of(session)
            except (SessionError, SpecError) as error:
                if not allow_damaged:
                    raise DatasetError(f"{error} {_ADVICE}") from error
                damage.append(str(error))
                continue
            if session.damage and not allow_damaged:
                raise DatasetError(f"{session.damage_told} {_ADVICE}")
            damage += [session.damage_told] if session.damage else []
        if not self._parts:
            raise DatasetError(f"{path} holds no episode{': ' if damage else '.'}{' '.join(damage)} Record longer.")
        self.facts = _common(facts)
        self.lengths, self.damage = np.array([part.steps for part in self._parts], np.int64), tuple(damage)

    def read(self, number: int) -> Episode:
        part = self._parts[number]
        ticks = list(_ticks_of(part))
        spec, session, acted = self.facts.spec, part.session, ticks[: part.steps]
        has_actions = self.facts.action_space is not None
        bodies = [info["actuator"] for _, _, info in acted]
        solved = [body["is_success"] for body in bodies if body.get("is_success") is not None]
        terminated, truncated = (any(body.get(name) is True for body in bodies) for name in _ENDS)
        seed = session.dataset.get("seed")
        try:
            return Episode.of(
                self.facts,
                {name: np.stack([observation[name] for observation, _, _ in ticks]) for name in (*spec, PRESENT)},
                np.array([action for _, action, _ in acted]) if has_actions else None,
                [_reward(body) for body in bodies],
                terminated=terminated,
                truncated=truncated,
                success=bool(solved[-1]) if solved else None,
                texts=[str(info["instruction"]) for _, _, info in ticks],
                times_ns=[info["time_ns"] for _, _, info in ticks],
                captured_ns=_by_sense(ticks, "captured_ns", spec.names, NO_TIME),
                ages_s=_by_sense(ticks, "ages_s", spec.names, math.inf),
                actors=[_actor(info) for _, _, info in acted],
                seed=seed if type(seed) is int else None,
            )
        except (DatasetError, ValueError, TypeError) as error:
            raise DatasetError(
                f"Episode {number} of {self.where} is damaged ({error}); move {session.path.name} away."
            ) from error


_ADVICE = "Move it away, or take what is whole of it with --allow-damaged."


def _facts_of(session: Session) -> DatasetFacts:
    if session.dataset:
        return DatasetFacts.from_json(session.dataset, str(session.path))
    return DatasetFacts(session.spec, None, session.action_names, session.period_s)


def _common(found: list[tuple[DatasetFacts, Session]]) -> DatasetFacts:
    """What the recordings have in common; older ones do not tell their action space, and get it from the actions."""
    (first, session), *others = found
    for facts, other in others:
        first.require_like(facts, str(session.path), str(other.path))
    if first.action_space is not None:
        return first
    done = [tick.action for _, each in found for tick in each.ticks() if tick.action is not None]
    return dataclasses.replace(first, action_space=_space_of(done, first.action_names))


def _space_of(actions: list[Any], names: tuple[str, ...]) -> spaces.Space[Any] | None:
    """The space that actions are of: choices, or a box around all numbers."""
    if not actions:
        return None
    if all(type(action) is int and action >= 0 for action in actions):
        return spaces.Discrete(max(max(actions) + 1, len(names)))
    try:
        rows = np.array(actions, np.float32)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"The actions of the recordings are of several sorts ({error}); separate them.") from error
    low, high = rows.min(axis=0), rows.max(axis=0)
    if rows.ndim < 2 or not np.isfinite(rows).all():
        raise DatasetError("The actions of the recordings are neither choices nor rows of finite numbers.")
    return spaces.Box(low, np.where(high > low, high, low + 1.0).astype(np.float32))


def _parts_of(session: Session) -> list[_Part]:
    """The episodes of a recording; what has neither an action nor, in a recording without any, an observation is
    none.
    """  # noqa: D205
    ticks = list(session.ticks())
    if ticks and all(tick.action is None for tick in ticks):
        return [_Part(session, 0, len(ticks), len(ticks))]
    parts: list[_Part] = []
    first: int | None = None
    steps = 0
    key: Any = None
    for number, tick in enumerate(ticks):
        begins = first is None or tick.info.get(EPISODE) != key or (number and _is_end(ticks[number - 1]))
        is_final = tick.action is None and not begins and tick.info.get(EPISODE) is not None
        if first is not None and (begins or tick.action is None):
            parts.append(_Part(session, first, steps + is_final, steps))
            first = None
        if tick.action is not None:
            if first is None:
                first, steps, key = number, 0, tick.info.get(EPISODE)
            steps += 1
    if first is not None:
        parts.append(_Part(session, first, steps, steps))
    return parts


def _is_end(tick: TickRecord) -> bool:
    """Whether the body's episode ended with the action of a tick, and the next tick is of another episode."""
    return tick.info.get(EPISODE) is None and any(tick.info["actuator"].get(name) is True for name in _ENDS)


def _ticks_of(part: _Part) -> Iterator[tuple[Any, Any, Any]]:
    for number, tick in enumerate(observations_of(part.session)):
        if number >= part.first + part.rows:
            return
        if number >= part.first:
            yield tick


def _by_sense(ticks: list[tuple[Any, Any, Any]], key: str, names: tuple[str, ...], empty: Any) -> list[list[Any]]:
    """A column for each sense, a row for each tick."""
    return [[empty if info[key][name] is None else info[key][name] for name in names] for _, _, info in ticks]


def _reward(body: dict[str, Any]) -> float:
    reward = body.get("reward")
    return float(reward) if isinstance(reward, (int, float)) and not isinstance(reward, bool) else math.nan


def _actor(info: dict[str, Any]) -> str:
    if isinstance(said := info.get(ACTOR), str):
        return said
    return "safe" if info["is_safe"] else "" if info["chosen"] is None else "policy"
