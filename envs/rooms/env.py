"""`RoomsEnv`: one room as a Gymnasium environment in numpy, for `gymnasium.make` and everything that wraps it.

A batch of 1 of the same simulation that `RoomsVectorEnv` runs; nothing of the world is decided here. Nobody learns
through these tensors, so they live in torch's inference mode, which makes a step a quarter faster.
"""

import copy
from typing import Any, cast

import gymnasium
import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from ...perception.checks import choose_device, require_whole
from ...perception.errors import ConfigError
from ...perception.spec import Spec
from ..contract import Observation
from .codes import ACTIONS
from .render.renderer import RoomRenderer
from .senses import STEP_S
from .settings import MAX_INT64, MAX_SEED
from .simulation import Simulation
from .vector_env import refuse_reset_options, require_render_mode


class RoomsEnv(gymnasium.Env[Any, Any]):
    """One room. With seed s it lives the life of environment 0 of a `RoomsVectorEnv` that was reset with seed s.

    `info` holds, at every reset and step, `instruction_text` and `instruction_was_truncated` (of its tokens); at
    the last step of an episode, and only there, `is_success`.

    Args:
        level: "Seek", "GoToLocal"...; see `levels.registry.LEVELS`.
        render_mode: None, or "rgb_array" for `render`.
        device: "cpu", which is the faster for one room, "cuda", or "auto".
        **options: those of `RoomsSettings` (senses, compass, spoken, outages, outage_steps, all_at_once, camera_size),
            and the level's own (size, objects, split, max_steps, room_size, where it has them).

    Attributes:
        senses: the Spec of the observation.
        action_names: left, right, forward, pickup, drop, toggle, done.
        step_s: duration of a step.
        instructions: every text that the level can give.

    Raises:
        UnknownNameError: there is no such level.
        ConfigError: an option is unknown or out of its range, or the device is not here.
        SpecError: an outage rate for a sense that is not there.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": round(1 / STEP_S)}
    action_names: tuple[str, ...] = ACTIONS
    step_s: float = STEP_S
    senses: Spec

    def __init__(
        self,
        level: str = "Seek",
        render_mode: str | None = None,
        device: str | torch.device = "cpu",
        **options: Any,
    ) -> None:
        self._spec: EnvSpec | None = None
        self.render_mode = require_render_mode(render_mode)
        self._device = choose_device(device)
        self.simulation = Simulation(level, options, self._device)
        self.senses = self.simulation.spec
        self.instructions = self.simulation.level.missions
        self.observation_space = self.senses.space()
        self.action_space = gymnasium.spaces.Discrete(len(ACTIONS))
        self._actions = torch.arange(len(ACTIONS), device=self._device)[:, None]
        self._mission = 0
        self._is_over = True
        self._renderer = RoomRenderer(self.simulation.level) if render_mode else None
        self._last: Observation = {}

    def __getstate__(self) -> dict[str, Any]:
        """Level, options and state; what is made of them is made again where a pickle or a copy arrives."""
        state = {name: value for name, value in self.__dict__.items() if name != "instructions"}
        state["_renderer"] = None if self._renderer is None else self._renderer.heard
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.instructions = self.simulation.level.missions
        if self._renderer is not None:
            self._renderer = RoomRenderer(self.simulation.level, cast(Any, self._renderer))

    @property
    def spec(self) -> EnvSpec | None:
        """What Gymnasium made it of. The level's time limit stands in it, and is kept here and by no wrapper."""
        return self._spec

    @spec.setter
    def spec(self, spec: EnvSpec | None) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        if spec is not None and spec.max_episode_steps is None:
            spec = copy.copy(spec)
            spec.max_episode_steps = self.simulation.level.max_steps
        self._spec = spec

    @torch.inference_mode()
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode: the first of the life that `seed` names, or the next one of the present life.

        Without a seed, and nothing begun, the life is of a random seed.

        Raises:
            ConfigError: the seed is no whole number of at least 0, or an option is given.
        """
        refuse_reset_options(options)
        if seed is not None:
            seed = require_whole("seed", seed, 0, MAX_INT64)
        super().reset(seed=seed)
        if seed is None and self.simulation.has_begun:
            self.simulation.begin_next_everywhere()
        else:
            seed = int(self.np_random.integers(MAX_SEED)) if seed is None else seed
            life = torch.tensor([[seed], [0], [0]], device=self._device)
            self.simulation.begin(*life.unbind())
        self._mission = int(self.simulation.state.mission)
        self._is_over = False
        return self._observe(is_first=True), self._info()

    @torch.inference_mode()
    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Does one action, a whole number in 0..6.

        Raises:
            ConfigError: it is no such number, or the episode is over, or has not begun.
        """
        if isinstance(action, np.ndarray) and action.size == 1:
            action = action.item()
        number = require_whole("action", action, 0, len(ACTIONS) - 1)
        if self._is_over:
            raise ConfigError("The episode is over or has not begun; call reset() before the next step.")
        outcome = self.simulation.act(self._actions[number])
        terminated, truncated, reward = bool(outcome.terminated), bool(outcome.truncated), float(outcome.reward)
        self._is_over = terminated or truncated
        info = self._info()
        if self._is_over:
            info["is_success"] = terminated and reward > 0
        return self._observe(), reward, terminated, truncated, info

    @torch.inference_mode()
    def render(self) -> NDArray[np.uint8] | None:
        """The room from above, what the agent sees, what it heard in the last 2 s, and the instruction.

        Returns:
            A picture, uint8 (440, 1040, 3), or None without `render_mode="rgb_array"`.

        Raises:
            ConfigError: nothing has begun.
            MissingExtraError: cv2 cannot be imported.
        """
        if self._renderer is None:
            return None
        return self._renderer.draw(self.simulation.state, 0, self._last)

    @torch.inference_mode()
    def expert_action(self, expert: str = "knowing") -> int:
        """What an expert would do now; see `RoomsVectorEnv.expert_actions`."""
        return int(self.simulation.expert_actions(expert))

    def _observe(self, *, is_first: bool = False) -> Observation:
        observation = {name: tensor[0].cpu().numpy() for name, tensor in self.simulation.observe().items()}
        if self._renderer is not None:
            self._renderer.remember(observation, is_first=is_first)
            self._last = {name: array.copy() for name, array in observation.items()}
        return observation

    def _info(self) -> dict[str, Any]:
        was_truncated = self.simulation.senses.instruction_was_truncated[self._mission]
        return {"instruction_text": self.instructions[self._mission], "instruction_was_truncated": was_truncated}
