"""Who plays an episode in front of a camera: a trained policy, an expert, or chance. One small interface for all."""

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import gymnasium
import numpy as np

from ...envs.live.tick import Move
from ...perception.spec import Spec
from ...policies.export import ExportedPolicy
from .fitting import fitted

if TYPE_CHECKING:
    from stable_baselines3.common.policies import ActorCriticPolicy

    from .experts import Expert

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
    """A trained policy; a recurrent one remembers within an episode. Sampled actions draw from torch's generator, or
    from its own where it was exported.

    A sense that an observation lacks is absent.
    """  # noqa: D205

    has_gates = True

    def __init__(self, policy: "ActorCriticPolicy | ExportedPolicy", *, greedy: bool = False) -> None:
        self.policy, self._greedy = policy, greedy
        self._decide, self._senses = _way_to_decide(policy)
        self.start(0)

    def start(self, seed: int) -> None:
        self._memory: Any = None
        self._is_first = True

    def act(self, observation: Observation) -> Move:
        batch = fitted({key: np.asarray(value)[None] for key, value in observation.items()}, self._senses)
        actions, self._memory, gates = self._decide(batch, self._memory, np.array([self._is_first]), self._greedy)
        self._is_first = False
        return Move(actions[0], {name: float(gate[0]) for name, gate in gates.items()})


def _way_to_decide(policy: "ActorCriticPolicy | ExportedPolicy") -> tuple[Callable[..., Any], Spec | None]:
    """What asks a policy for actions, memory and gates; and its senses. torch is imported only where it acts."""
    if isinstance(policy, ExportedPolicy):
        return policy.decide, policy.senses
    from ...policies.heads import decide, senses_of

    return functools.partial(decide, policy), senses_of(policy)


class ExpertPlayer:
    """An expert, who looks at the true state and needs no observation."""

    has_gates = False

    def __init__(self, expert: "Expert") -> None:
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
