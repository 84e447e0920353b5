"""Observations to pretrain on, batch by batch and without end: of an environment that is played, or of a dataset.

Neighbouring steps look alike, so both mix: played observations through a pool, recorded ones by drawing anew.

b environments, n samples of a batch
"""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from ...envs.datasets import Episodes, open_dataset
from ...envs.datasets.open import recognised
from ...envs.live.sessions.session import Session, observations_of, session_files
from ...perception.errors import ConfigError
from ...perception.spec import PRESENT
from ...policies.policy import Observation
from ...policies.ppo.sources import Environments, environments_of
from ..play.environments import EnvFacts, make_batch, make_vector_env

FRESH = 4
"""A batch holds one new observation for so many that it takes from the pool."""

POOL_BATCHES = 8
"""So many batches of observations are kept to mix from."""

MAX_RECORDED = 20_000
"""More observations of a recording than this are thinned out at random: they are held in memory."""


class Played:
    """Batches of an environment, in which chance acts and, in half of the steps, the simulator's own expert.

    Args:
        env_id: as `senseweave envs` lists it.
        options: of the environment.
        num_envs: how many are played side by side.
        batch_size: n.
        device: where batches are.
        seed: of the environments, the actions and the mixing.

    Attributes:
        senses: what they sense.
        steps: steps of each environment so far.

    Raises:
        SenseweaveError: there is no such environment, or an option does not fit it.
    """

    def __init__(
        self, env_id: str, options: dict[str, Any], num_envs: int, batch_size: int, device: torch.device, seed: int
    ) -> None:
        vector: Any = make_batch(env_id, options, num_envs, device)
        if vector is None:
            vector, facts = make_vector_env(env_id, options, num_envs, device)
        else:
            facts = EnvFacts(vector.senses, vector.action_names, vector.step_s)
        self.senses, self.close = facts.senses, vector.close
        self._environments: Environments = environments_of(vector, device)
        self._actions: spaces.Space[Any] = getattr(vector, "single_action_space", vector.action_space)
        self._actions.seed(seed)
        self._seed, self._batch_size, self._draws = seed, batch_size, np.random.default_rng(seed)
        self.steps = 0

    def __iter__(self) -> Iterator[Observation]:
        return self.batches_from(0)

    def batches_from(self, first: int) -> Iterator[Observation]:
        """All batches from this number on; those before it are played again, as they were, and not given."""
        steps = max(1, math.ceil(self._batch_size / FRESH / self._environments.num_envs))
        kept = max(steps, math.ceil(POOL_BATCHES * self._batch_size / self._environments.num_envs))
        at_first = max(steps, math.ceil(self._batch_size / self._environments.num_envs))
        observation, pool = self._environments.reset(self._seed), list[Observation]()
        for number in itertools.count():
            for _ in range(at_first if not pool else steps):
                pool.append({name: part.clone() for name, part in observation.items()})
                observation = self._environments.step(self._choose()).observation
                self.steps += 1
            pool = pool[-kept:]
            count = len(pool) * self._environments.num_envs
            rows = torch.as_tensor(self._draws.integers(count, size=self._batch_size), device=self._environments.device)
            if number < first:
                continue
            yield {name: torch.cat([step[name] for step in pool])[rows] for name in pool[0]}

    def _choose(self) -> Tensor:
        b = self._environments.num_envs
        chance = torch.as_tensor(np.stack([self._actions.sample() for _ in range(b)]), device=self._environments.device)
        if not self._environments.has_expert:
            return chance
        by_expert = torch.as_tensor(self._draws.random(b) < 0.5, device=self._environments.device)
        return torch.where(by_expert, self._environments.expert_actions().to(chance.dtype), chance)


class Recorded:
    """Batches of a dataset, drawn with replacement.

    Args:
        path: a folder or a file in any format of `DATASETS`. Of a recorded session, what was sensed while nobody acted
            is taken as well.
        batch_size: n.
        device: where batches are.
        seed: of what is drawn.
        allow_damaged: whether a dataset that is damaged or was cut off is learned from as far as it is whole.

    Attributes:
        senses: what was sensed.
        damage: what was wrong with the dataset, a sentence each.

    Raises:
        SenseweaveError: there is no dataset, it holds no observation, two of them sensed differently, or one is damaged
            and that is not allowed.
    """

    def __init__(
        self, path: str, batch_size: int, device: torch.device, seed: int, *, allow_damaged: bool = False
    ) -> None:
        self.damage, self.steps = list[str](), 0
        self._batch_size, self._draws = batch_size, np.random.default_rng(seed)
        if recognised(path) == "sessions":
            held = self._read(path, self._of_sessions(path, allow_damaged))
        else:
            episodes = open_dataset(path, allow_damaged=allow_damaged)
            self.senses, self.damage = episodes.spec, list(episodes.source.damage)
            held = self._read(path, _rows_of(episodes))
        self._whole = {
            name: torch.as_tensor(np.stack([step[name] for step in held]), device=device) for name in held[0]
        }
        self._device = device
        self.close: Callable[[], object] = lambda: None

    def _of_sessions(self, path: str, allow_damaged: bool) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
        """What was sensed in recordings, one after the other."""
        sessions = [Session(file) for file in session_files(path)]
        self.senses = sessions[0].spec
        for session in sessions[1:]:
            if session.spec != self.senses:
                raise ConfigError(
                    f"All sessions of a dataset must have the same senses; {session.path} has {session.spec}, and "
                    f"{sessions[0].path} has {self.senses}. Move one of them away."
                )
        for session in sessions:
            yield from self._observations(session, allow_damaged)

    def _read(
        self, path: str, observations: Iterator[dict[str, np.ndarray[Any, Any]]]
    ) -> list[dict[str, np.ndarray[Any, Any]]]:
        """At most `MAX_RECORDED` observations, each with the same chance to stay (Vitter 1985, algorithm R)."""
        held: list[dict[str, np.ndarray[Any, Any]]] = []
        for number, observation in enumerate(observations):
            place = number if number < MAX_RECORDED else int(self._draws.integers(number + 1))
            if place == len(held):
                held.append(observation)
            elif place < MAX_RECORDED:
                held[place] = observation
        if not any(step[PRESENT].any() for step in held):
            raise ConfigError(
                f"{path} holds no observation in which {', '.join(self.senses)} is present; record longer."
            )
        return held

    def _observations(self, session: Session, allow_damaged: bool) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
        """Those of one session, whose damage is known when it was read."""
        for observation, _, _ in observations_of(session):
            yield observation
        if session.damage and not allow_damaged:
            raise ConfigError(f"{session.damage_told} Move it away, or learn from what was read with --allow-damaged.")
        if session.damage:
            self.damage.append(session.damage_told)

    def __iter__(self) -> Iterator[Observation]:
        return self.batches_from(0)

    def batches_from(self, first: int) -> Iterator[Observation]:
        """All batches from this number on."""
        count = len(self._whole[PRESENT])
        for number in itertools.count():
            rows = torch.as_tensor(self._draws.integers(count, size=self._batch_size), device=self._device)
            if number < first:
                continue
            yield {name: part[rows] for name, part in self._whole.items()}


def _rows_of(episodes: Episodes) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    """The observations of a dataset, one after the other."""
    for episode in episodes:
        for row in range(len(episode.times_ns)):
            yield {name: part[row] for name, part in episode.observations.items()}
