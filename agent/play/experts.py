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
        return _Bots(world, env_id)
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


LOST = 0
"""Turn left: what a bot is taken to say where it cannot go on, and looking round harms nothing."""

MAX_LOST = 100
"""More such answers than that, and more than one in ten, and the level is not one for the bot."""


class _Bots:
    """A bot for each environment of a `DummyVecEnv`, told of the action that was really done, which it plans on from.

    One that planned anew at every step would fail: it expects to begin with empty hands.
    """

    def __init__(self, vector: DummyVecEnv, env_id: str) -> None:
        self._vector, self._env_id = vector, env_id
        self._asked = self._lost = 0
        self._bots: list[Any] = [None] * len(vector.envs)
        self._told: list[tuple[int, int]] = [(-1, 0)] * len(vector.envs)  # the step that was asked for, what was said

    def __call__(self) -> Int[np.ndarray, " b"]:
        return np.array([self._ask(number) for number in range(len(self._bots))])

    def _ask(self, number: int) -> int:
        from minigrid.utils.baby_ai_bot import BabyAIBot

        world: Any = self._vector.envs[number].unwrapped
        step, said = self._told[number]
        self._asked += 1
        if world.step_count == step > 0:
            return said
        taken = None
        if self._bots[number] is None or world.step_count != step + 1:
            self._bots[number] = BabyAIBot(world)
        else:
            taken = int(self._vector.actions[number])
        try:
            said = int(self._bots[number].replan(taken))
        except AssertionError as error:
            self._lost += 1
            if self._lost > max(MAX_LOST, self._asked / 10):
                raise ConfigError(f"minigrid's bot cannot play {self._env_id}; leave the expert out.") from error
            self._bots[number], said = None, LOST  # another one begins here at the next step
        self._told[number] = world.step_count, said
        return said


def _is_babyai_level(env: gymnasium.Env[Any, Any]) -> bool:
    try:
        from minigrid.envs.babyai.core.roomgrid_level import RoomGridLevel
    except ImportError:
        return False
    return isinstance(env.unwrapped, RoomGridLevel)
