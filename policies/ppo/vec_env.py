"""`GymnasiumVecEnv`: a Gymnasium vector environment, of arrays or of tensors, as stable-baselines3's `VecEnv`.

For what stable-baselines3 does with an environment besides training: callbacks that evaluate, `evaluate_policy`,
`VecNormalize`. The on-device trainer itself reads tensors through `sources.py`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from ...perception.errors import ConfigError

Indices = None | int | Iterable[int]


class GymnasiumVecEnv(VecEnv):
    """A vector environment that resets in the same step, as SB3 wants it: arrays, and one info for each environment.

    At the end of an episode the info holds `terminal_observation`, `TimeLimit.truncated`, `episode` (r and l) and,
    where the environment tells, `is_success`.

    Args:
        env: the vector environment.

    Attributes:
        env: the same.

    Raises:
        ConfigError: it resets in another way.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        require_same_step(env)
        self.env = env
        self._actions: Any = None
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self._start_counting()

    def reset(self) -> Any:
        """Starts an episode everywhere; with the number given to `seed`, if it is new.

        What it means is the vector environment's own rule: Gymnasium's give environment i the seed + i, as SB3 does.
        """
        if any(options != self._options[0] for options in self._options):
            raise ConfigError(
                "A vector environment is reset with the same options everywhere; give `set_options` one dict."
            )
        observation, _ = self.env.reset(seed=self._seeds[0], options=self._options[0] or None)
        self._reset_seeds()
        self._reset_options()
        self._start_counting()
        return _arrays(observation)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keeps the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Does the actions; see the class for the infos."""
        observation, reward, terminated, truncated, batch_infos = self.env.step(self._actions)
        reward, terminated, truncated = (_array(part) for part in (reward, terminated, truncated))
        dones = terminated | truncated
        self._returns += reward
        self._lengths += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for row in np.flatnonzero(dones):
            infos[row] = {
                "terminal_observation": final_observation(batch_infos, int(row)),
                "TimeLimit.truncated": bool(truncated[row] and not terminated[row]),
                "episode": {"r": float(self._returns[row]), "l": int(self._lengths[row])},
            }
            success = _success(batch_infos, int(row))
            if success is not None:
                infos[row]["is_success"] = success
        self._returns[dones] = 0.0
        self._lengths[dones] = 0
        return _arrays(observation), reward.astype(np.float32), dones, infos

    def close(self) -> None:
        self.env.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """A picture of each environment, where they are rendered."""
        pictures: Any = self.env.render() if self.env.render_mode else None
        return pictures or [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """The vector environment's attribute, once for each environment that is asked."""
        return [getattr(self.env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Sets the vector environment's attribute, which all environments share."""
        setattr(self.env, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Calls the vector environment's method, once, and gives its result for each environment that is asked."""
        result = getattr(self.env, method_name)(*method_args, **method_kwargs)
        return [result] * len(list(self._get_indices(indices)))

    def env_is_wrapped(self, wrapper_class: type[gymnasium.Wrapper], indices: Indices = None) -> list[bool]:
        """Single environments are out of sight, so their wrappers are; but it gives the infos of a `Monitor`."""
        return [issubclass(Monitor, wrapper_class)] * len(list(self._get_indices(indices)))

    def _start_counting(self) -> None:
        self._returns = np.zeros(self.num_envs)
        self._lengths = np.zeros(self.num_envs, np.int64)


def require_same_step(env: VectorEnv[Any, Any, Any]) -> None:
    """A vector environment that gives the first observation of the next episode in the step that ends one.

    Raises:
        ConfigError: it is of another sort.
    """
    mode = env.metadata.get("autoreset_mode")
    if mode != AutoresetMode.SAME_STEP:
        raise ConfigError(
            f"The environment must begin its next episode in the step that ends one; got autoreset mode {mode}. Make "
            "it with vector_kwargs={'autoreset_mode': AutoresetMode.SAME_STEP}."
        )


def final_observation(infos: Mapping[str, Any], row: int) -> Any:
    """The last observation of an episode that is over, as arrays.

    Args:
        infos: a vector environment's infos.
        row: the environment's number.
    """
    final = infos["final_obs"]
    if "final_rows" not in infos:
        return final[row]
    number = infos["final_rows"].tolist().index(row)  # tensors with a row for each episode that is over
    if isinstance(final, Mapping):
        return {name: part[number].cpu().numpy() for name, part in final.items()}
    return final[number].cpu().numpy()


def _success(infos: Mapping[str, Any], row: int) -> bool | None:
    """Whether the episode that is over was solved; None where nobody says.

    Gymnasium tells in `final_info`; beside it stands what the next episode's reset said.
    """
    for part in (infos.get("final_info"), infos):
        if isinstance(part, Mapping) and "is_success" in part:
            known = part.get("_is_success")
            if known is None or bool(known[row]):
                return bool(part["is_success"][row])
    return None


def _array(values: Any) -> NDArray[Any]:
    return values if isinstance(values, np.ndarray) else values.cpu().numpy()


def _arrays(observation: Any) -> Any:
    if isinstance(observation, Mapping):
        return {name: _array(part) for name, part in observation.items()}
    return _array(observation)
