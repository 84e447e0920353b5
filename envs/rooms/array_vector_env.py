"""`RoomsArrayVectorEnv`: a batch of rooms in numpy, to the letter what Gymnasium's own vector environments give.

`RoomsVectorEnv` stays on the device and has infos of its own; this is the same simulation for what is written for
`SyncVectorEnv`: wrappers, recorders, other libraries' collectors. Nothing of the world is decided here.

b environments
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from torch import Tensor

from ...perception.errors import ConfigError
from ...perception.spec import Spec
from ..contract import Observation, text_key
from .vector_env import RoomsVectorEnv, pass_through_conversions

_TEXT = text_key("instruction")
_WAS_TRUNCATED = "instruction_was_truncated"


class Objects(np.ndarray[Any, Any]):
    """An array of objects, one for each environment, that passes through Gymnasium's `ArrayConversion`.

    No other library has arrays of texts, and Gymnasium's conversion stops at one. Of this sort texts stay as they are,
    and observations in it are converted one by one.
    """

    @classmethod
    def of(cls, values: Sequence[Any]) -> "Objects":
        """An array with those values."""
        array = np.empty(len(values), object).view(cls)
        for row, value in enumerate(values):
            array[row] = value
        return array


class RoomsArrayVectorEnv(VectorEnv[Observation, NDArray[Any], NDArray[Any]]):
    """A batch of rooms as a `SyncVectorEnv` of single ones with autoreset mode SAME_STEP.

    Observations are dicts of arrays, rewards float64 (b,). Infos have a row for each environment, with None or 0 where
    the mask of the same name after "_" is False: `instruction_text`, `instruction_was_truncated`, and when episodes
    end, `final_obs`, and `final_info` with the same of the old episodes and `is_success`.

    `texts=False` leaves the texts out of the infos, for libraries that make tensors of them, as TorchRL does.

    `reset(seed=s)` gives environment i the life (s + i, 0), as Gymnasium gives it the seed s + i.

    Args:
        env: the batch; None makes one.
        texts: whether infos hold the instructions.
        **options: where `env` is None, those of `RoomsVectorEnv` (level, num_envs, device...).

    Attributes:
        env: the batch, of tensors.
        senses: the Spec of one environment's observation.
        action_names: left, right, forward, pickup, drop, toggle, done.
        step_s: duration of a step.
        instructions: every text that the level can give.

    Raises:
        ConfigError: both a batch and options are given; else as `RoomsVectorEnv`.
    """

    autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP
    metadata: dict[str, Any] = {name: value for name, value in RoomsVectorEnv.metadata.items() if name != "torch"}
    senses: Spec

    def __init__(self, env: RoomsVectorEnv | None = None, *, texts: bool = True, **options: Any) -> None:
        if env is not None and options:
            raise ConfigError(f"Options go with a new batch, and one was given; got {', '.join(options)} beside it.")
        self.env = RoomsVectorEnv(**options) if env is None else env
        self.num_envs, self.render_mode, self.spec = self.env.num_envs, self.env.render_mode, self.env.spec
        self.senses, self.action_names, self.step_s = self.env.senses, self.env.action_names, self.env.step_s
        self.single_observation_space = self.env.single_observation_space
        self.single_action_space, self.action_space = self.env.single_action_space, self.env.action_space
        self._texts = texts
        self._mission = np.zeros(self.num_envs, np.int64)
        pass_through_conversions(Objects, _converted)

    @cached_property
    def observation_space(self) -> gymnasium.Space[Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The batch's space."""
        return self.env.observation_space

    @property
    def instructions(self) -> tuple[str, ...]:
        """Every text that the level can give."""
        return self.env.instructions

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode everywhere.

        Args:
            seed: of environment 0, and one more for each that follows; or one for each. None, for all or for one: the
                next episode of its life, and the first time a life of a random seed.
            options: none are known.

        Raises:
            ConfigError: a seed is no whole number of at least 0, there are too few or too many, or an option is given.
        """
        if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool) and seed >= 0:
            VectorEnv.reset(self, seed=int(seed))  # for `np_random`
            seed = [int(seed) + row for row in range(self.num_envs)]
        elif seed is None and not self.env.simulation.has_begun:
            seed = [None] * self.num_envs
        observation, infos = self.env.reset(seed=cast(Any, seed), options=options)
        self._mission = _array(infos["mission"])
        return _arrays(observation), self._told(np.ones(self.num_envs, bool), self._mission)

    def step(
        self, actions: NDArray[Any] | Tensor
    ) -> tuple[Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Does one action in every environment, and starts the next episode where one is over.

        Args:
            actions: whole numbers 0..6, (b,).

        Raises:
            ConfigError: see `RoomsVectorEnv.step`.
        """
        observation, reward, terminated, truncated, infos = self.env.step(actions)
        before, self._mission = self._mission, _array(infos["mission"])
        told = self._told(np.ones(self.num_envs, bool), self._mission)
        if "final_rows" in infos:
            told |= self._final(infos, before)
        return _arrays(observation), _array(reward).astype(np.float64), _array(terminated), _array(truncated), told

    def _told(self, is_told: NDArray[np.bool_], mission: NDArray[np.int64]) -> dict[str, Any]:
        was_truncated = np.asarray(self.env.simulation.senses.instruction_was_truncated)[mission] & is_told
        columns: dict[str, Any] = {_WAS_TRUNCATED: was_truncated}
        if self._texts:
            rows = zip(mission, is_told, strict=True)
            columns[_TEXT] = Objects.of([self.instructions[row] if told else None for row, told in rows])
        return columns | {f"_{name}": is_told.copy() for name in columns}

    def _final(self, infos: dict[str, Any], mission: NDArray[np.int64]) -> dict[str, Any]:
        is_over = _array(infos["_final_obs"])
        final = self._told(is_over, mission)
        final |= {"is_success": _array(infos["is_success"]) & is_over, "_is_success": is_over.copy()}
        last, seen = _arrays(infos["final_obs"]), Objects.of([None] * self.num_envs)
        for number, row in enumerate(_array(infos["final_rows"])):
            seen[row] = {name: part[number] for name, part in last.items()}
        return {"final_obs": seen, "final_info": final, "_final_obs": is_over.copy(), "_final_info": is_over.copy()}

    def expert_actions(self, expert: str = "knowing") -> NDArray[np.int64]:
        """What an expert would do now, (b,); see `RoomsVectorEnv.expert_actions`."""
        return _array(self.env.expert_actions(expert))

    def render(self) -> tuple[Any, ...] | None:
        """See `RoomsVectorEnv.render`."""
        return self.env.render()

    def close_extras(self, **kwargs: Any) -> None:
        """Gives the batch back."""
        self.env.close(**kwargs)


def make_vector_env(*, arrays: bool = False, **options: Any) -> RoomsVectorEnv | RoomsArrayVectorEnv:
    """What `gymnasium.make_vec("senseweave/...", num_envs=...)` makes.

    Args:
        arrays: numpy, as Gymnasium's own vector environments, instead of tensors on the device; `texts=False` goes
            with it, see `RoomsArrayVectorEnv`.
        **options: those of `RoomsVectorEnv`.

    Raises:
        ConfigError: `arrays` is neither true nor false; else as `RoomsVectorEnv`.
    """
    if not isinstance(arrays, bool):
        raise ConfigError(f"`arrays` must be true or false; got {arrays!r}.")
    return RoomsArrayVectorEnv(**options) if arrays else RoomsVectorEnv(**options)


def _converted(objects: Objects, convert: Callable[[Any], Any]) -> Objects:
    return Objects.of([value if isinstance(value, str) else convert(value) for value in objects])


def _array(tensor: Tensor) -> Any:
    return tensor.cpu().numpy()


def _arrays(observation: dict[str, Tensor]) -> Observation:
    return {name: _array(part) for name, part in observation.items()}
