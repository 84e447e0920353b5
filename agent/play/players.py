"""Who plays an episode in front of a camera: a trained policy, an expert, or chance. One small interface for all."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

import gymnasium
import numpy as np
from stable_baselines3.common.policies import ActorCriticPolicy

from ...envs.live.tick import Move
from ...perception.errors import ConfigError
from ...perception.perception import State
from ...policies.extractor import watch_states
from ...policies.heads import senses_of
from .experts import Expert, expert_for
from .fitting import fitted
from .registry import Seat

Observation = Mapping[str, np.ndarray]


class Player(Protocol):
    """Plays one environment, episode after episode."""

    has_gates: bool

    def start(self, seed: int) -> None:
        """Called after each reset of the environment, with the seed that it was reset with."""

    def act(self, observation: Observation) -> Move:
        """Chooses what to do now."""
        ...


class PolicyPlayer:
    """A trained policy; a recurrent one remembers within an episode. Sampled actions draw from torch's generator.

    A sense that an observation lacks is absent.
    """

    has_gates = True

    def __init__(self, policy: ActorCriticPolicy, *, greedy: bool = False) -> None:
        self._policy, self._greedy, self._senses = policy, greedy, senses_of(policy)
        self.start(0)

    def start(self, seed: int) -> None:
        self._memory: Any = None
        self._is_first = True

    def act(self, observation: Observation) -> Move:
        batch = fitted({key: np.asarray(value)[None] for key, value in observation.items()}, self._senses)
        states: deque[State] = deque(maxlen=1)
        with watch_states(self._policy, states.append):
            actions, self._memory = self._policy.predict(
                batch, self._memory, np.array([self._is_first]), deterministic=self._greedy
            )
        self._is_first = False
        return Move(actions[0], {name: float(gate[0]) for name, gate in states[-1].gates.items()})


class ExpertPlayer:
    """An expert, who looks at the true state and needs no observation."""

    has_gates = False

    def __init__(self, expert: Expert) -> None:
        self._expert = expert

    def start(self, seed: int) -> None:
        self._expert.start()

    def act(self, observation: Observation) -> Move:
        return Move(self._expert.act())


class RandomPlayer:
    """Chance: any action with the same probability; the same seed does the same."""

    has_gates = False

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        self._space = env.action_space

    def start(self, seed: int) -> None:
        self._space.seed(seed)

    def act(self, observation: Observation) -> Move:
        return Move(self._space.sample())


def make_expert(address: str, seat: Seat) -> Player:
    """The environment's own expert.

    Raises:
        ConfigError: it has none.
    """
    _require_alone("expert", address)
    return ExpertPlayer(expert_for(seat.env, seat.env_id))


def make_random(address: str, seat: Seat) -> Player:
    """Chance."""
    _require_alone("random", address)
    return RandomPlayer(seat.env)


def _require_alone(name: str, address: str) -> None:
    if address:
        raise ConfigError(f'The player "{name}" takes nothing behind a colon; got {address!r}. Leave it out.')
