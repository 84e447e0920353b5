"""`RoomsSB3VecEnv`: a `RoomsVectorEnv` as stable-baselines3 wants it, numpy arrays and a list of infos.

The lives are those of SB3's own `DummyVecEnv` over `RoomsEnv`: seed s gives environment i the life (s + i, 0). Nothing
of the world is decided here, and stable-baselines3 is imported here alone.

b environments
"""

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from jaxtyping import Bool
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from ...perception.errors import ConfigError
from ..contract import Observation
from .vector_env import RoomsVectorEnv

Indices = None | int | Iterable[int]


class RoomsSB3VecEnv(VecEnv):
    """A batch of rooms for stable-baselines3; `VecMonitor` around it counts episodes.

    Every info holds `instruction_text`, the text that held during the step; at the last step of an episode also
    `terminal_observation`, `TimeLimit.truncated` and `is_success`. `reset_infos` holds the next episode's instruction.

    Args:
        env: the batch; None makes one.
        **options: where `env` is None, those of `RoomsVectorEnv` (level, num_envs, device...).

    Attributes:
        env: the batch.

    Raises:
        ConfigError: both a batch and options are given; else as `RoomsVectorEnv`.
    """

    def __init__(self, env: RoomsVectorEnv | None = None, **options: Any) -> None:
        if env is not None and options:
            raise ConfigError(f"Options go with a new batch, and one was given; got {', '.join(options)} beside it.")
        self.env = RoomsVectorEnv(**options) if env is None else env
        self._actions: Any = None
        self._texts: list[str] = []
        super().__init__(self.env.num_envs, self.env.single_observation_space, self.env.single_action_space)

    def reset(self) -> Observation:
        """Starts an episode everywhere; with the seeds given to `seed`, if they are new."""
        options = next(filter(None, self._options), None)
        seeds = [seed for seed in self._seeds if seed is not None]
        observation, _ = self.env.reset(seed=seeds or None, options=options)
        self._reset_seeds()
        self._reset_options()
        self._texts = self.env.instruction_texts()
        self.reset_infos = [{"instruction_text": text} for text in self._texts]
        return _arrays(observation)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keeps the actions (num_envs,) for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Observation, NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Does the actions; see the class for the infos."""
        observation, reward, terminated, truncated, batch_infos = self.env.step(self._actions)
        infos = [{"instruction_text": text} for text in self._texts]
        if "final_rows" in batch_infos:
            self._add_final_infos(infos, batch_infos, truncated & ~terminated)
        is_over = (terminated | truncated).cpu().numpy()
        return _arrays(observation), reward.cpu().numpy(), is_over, infos

    def _add_final_infos(
        self, infos: list[dict[str, Any]], batch_infos: dict[str, Any], is_cut: Bool[torch.Tensor, " b"]
    ) -> None:
        rows = batch_infos["final_rows"]
        final = _arrays(batch_infos["final_obs"])
        facts = [tensor[rows].tolist() for tensor in (is_cut, batch_infos["is_success"], batch_infos["mission"])]
        for number, (row, was_cut, is_success, mission) in enumerate(zip(rows.tolist(), *facts, strict=True)):
            infos[row] |= {
                "terminal_observation": {name: content[number] for name, content in final.items()},
                "TimeLimit.truncated": was_cut,
                "is_success": is_success,
            }
            self._texts[row] = self.env.instructions[mission]
            self.reset_infos[row] = {"instruction_text": self._texts[row]}

    def close(self) -> None:
        self.env.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """A picture of each environment, or None without `render_mode="rgb_array"`."""
        return self.env.render() or [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """The batch's attribute, once for each environment that is asked."""
        return [getattr(self.env, attr_name)] * self._count(indices)

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Sets the batch's attribute, which all environments share."""
        setattr(self.env, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Calls the batch's method, once, and gives its result for each environment that is asked."""
        return [getattr(self.env, method_name)(*method_args, **method_kwargs)] * self._count(indices)

    def env_is_wrapped(self, wrapper_class: type[gymnasium.Wrapper], indices: Indices = None) -> list[bool]:
        """No room is wrapped."""
        return [False] * self._count(indices)

    def _count(self, indices: Indices) -> int:
        return len(list(self._get_indices(indices)))


def _arrays(observation: dict[str, torch.Tensor]) -> Observation:
    return {name: tensor.cpu().numpy() for name, tensor in observation.items()}
