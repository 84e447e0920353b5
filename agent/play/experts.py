"""Who knows what to do: the simulator's own expert, and minigrid's bot for BabyAI levels.

An expert acts on the true state of the environment, or on what has been seen of it since the episode began. It is asked
before each step.
"""

import functools
from typing import TYPE_CHECKING, Any, Protocol

import gymnasium
import numpy as np
from jaxtyping import Int
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from torch import Tensor

from ...perception.errors import ConfigError

if TYPE_CHECKING:
    from ...envs.rooms.vector_env import RoomsVectorEnv


class Expert(Protocol):
    """Plays one environment."""

    def start(self) -> None:
        """Called after each reset of the environment."""

    def act(self, taken: int | None = None) -> int:
        """The best action now; `taken` is the last one, where that was not the expert's own."""
        ...


class VectorExpert(Protocol):
    """Knows the best action in each of many environments side by side."""

    def __call__(self) -> Int[Tensor, " b"] | Int[np.ndarray, " b"]:
        """The best actions now; those of the batched simulator on its device."""
        ...


def expert_for(env: gymnasium.Env[Any, Any], env_id: str) -> Expert:
    """The expert of an environment.

    Raises:
        ConfigError: it has none.
    """
    if hasattr(env.unwrapped, "expert_action"):
        return _OwnExpert(env.unwrapped)
    if _is_babyai_level(env):
        return _Bot(env.unwrapped)
    raise ConfigError(_no_expert(env_id))


def has_expert(env: gymnasium.Env[Any, Any]) -> bool:
    """Whether `expert_for` has one."""
    return hasattr(env.unwrapped, "expert_action") or _is_babyai_level(env)


def vector_expert_for(vector: "VecEnv | RoomsVectorEnv", env_id: str, expert: str = "knowing") -> VectorExpert:
    """The expert of many environments side by side.

    Args:
        vector: the environments.
        env_id: their id, for the error's sentence.
        expert: "honest" or "knowing", where they have both.

    Raises:
        ConfigError: they have none.
    """
    world: Any = vector.unwrapped
    batch: Any = world if hasattr(world, "expert_actions") else getattr(world, "env", None)  # shown to SB3, perhaps
    if hasattr(batch, "expert_actions"):
        return functools.partial(batch.expert_actions, *([expert] if expert in getattr(batch, "experts", ()) else []))
    if isinstance(world, DummyVecEnv) and all(_is_babyai_level(env) for env in world.envs):
        return _Bots(world)
    raise ConfigError(_no_expert(env_id))


def _no_expert(env_id: str) -> str:
    return (
        f'"{env_id}" has no expert; senseweave/... environments (but Live) and BabyAI-... levels have one. '
        "Choose one of those, or leave the expert out."
    )


class _OwnExpert:
    """The expert that an environment of ours brings along."""

    def __init__(self, world: Any) -> None:
        self._world = world

    def start(self) -> None:
        """Nothing to prepare: it sees the whole state at every step."""

    def act(self, taken: int | None = None) -> int:
        return int(self._world.expert_action())


class _Bot:
    """minigrid's bot, which sees what the agent sees and remembers it within an episode."""

    def __init__(self, world: Any) -> None:
        self._world = world

    def start(self) -> None:
        from minigrid.utils.baby_ai_bot import BabyAIBot

        self._bot = BabyAIBot(self._world)

    def act(self, taken: int | None = None) -> int:
        return int(self._bot.replan(taken))  # pyright: ignore[reportArgumentType]  (its loop ends with an action)


class _Bots:
    """A bot for each environment of a `DummyVecEnv`, which remembers what it saw, and plans anew at every step.

    A plan that it kept would begin with undoing whatever a learner has done in between.
    """

    def __init__(self, vector: DummyVecEnv) -> None:
        self._vector = vector
        self._seen: list[Any] = [None] * len(vector.envs)

    def __call__(self) -> Int[np.ndarray, " b"]:
        return np.array([self._ask(number) for number in range(len(self._seen))])

    def _ask(self, number: int) -> int:
        from minigrid.utils.baby_ai_bot import BabyAIBot

        world: Any = self._vector.envs[number].unwrapped
        bot = BabyAIBot(world)
        if world.step_count > 0 and self._seen[number] is not None:
            bot.vis_mask = self._seen[number]
        action = bot.replan()
        self._seen[number] = bot.vis_mask
        return int(action)  # pyright: ignore[reportArgumentType]  (its loop ends with an action)


def _is_babyai_level(env: gymnasium.Env[Any, Any]) -> bool:
    try:
        from minigrid.envs.babyai.core.roomgrid_level import RoomGridLevel
    except ImportError:
        return False
    return isinstance(env.unwrapped, RoomGridLevel)
