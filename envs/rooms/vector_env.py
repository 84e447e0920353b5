"""`RoomsVectorEnv`: thousands of rooms at once as a Gymnasium vector environment of torch tensors on one device.

Gymnasium's shapes and names, SAME_STEP autoreset; what differs from its own vector environments is said at the class.
`RoomsEnv` is the single one in numpy, `RoomsSB3VecEnv` the view for stable-baselines3.

b environments, k those whose episode is over
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Self, cast

import gymnasium
import numpy as np
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from jaxtyping import Bool, Float32, Int
from torch import Tensor

from ...perception.checks import choose_device, require_whole
from ...perception.errors import ConfigError
from ...perception.spec import Spec
from .codes import ACTIONS
from .registration import rooms_id
from .render.renderer import RoomRenderer
from .senses import STEP_S
from .settings import MAX_INT64, MAX_SEED
from .simulation import EXPERTS, Simulation
from .state import RoomsState

TensorObservation = dict[str, Tensor]
_LAST_ACTION = len(ACTIONS) - 1


class Instructions(Sequence[str]):
    """The instruction of every environment as text, as a list has them.

    Args:
        texts: the texts themselves.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._made: list[str] | None = list(texts)
        self._known: tuple[str, ...] = ()
        self._mission: Tensor | None = None

    @classmethod
    def of(cls, known: tuple[str, ...], mission: Int[Tensor, " b"]) -> Self:
        """Rows of known texts; nothing is copied from the device before one is asked for."""
        made = cls(())
        made._made, made._known, made._mission = None, known, mission
        return made

    @property
    def _texts(self) -> list[str]:
        if self._made is None:
            self._made = [self._known[row] for row in cast(Tensor, self._mission).tolist()]
        return self._made

    def __len__(self) -> int:
        return len(self._texts) if self._mission is None else len(self._mission)

    def __getitem__(self, number: Any) -> Any:
        return self._texts[number]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Instructions, list, tuple)) and list(self) == list(other)

    def __repr__(self) -> str:
        return repr(self._texts)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._texts,)


class RoomsVectorEnv(VectorEnv[TensorObservation, Tensor, Tensor]):
    """A batch of rooms. Observations are dicts of fresh tensors, b rows each, as `senses` describes them.

    Environment i of a batch that was reset with seed s lives the life (s, i), whatever the size of the batch, the
    device and the senses; its first episode is number 0.

    `infos` holds tensors on the device:

    - `is_success`, bool (b,): whether the episode that ended at this step was solved, False elsewhere; `_is_success`
      tells for which environments it means something: those whose episode is over.
    - `episode`: `r`, the sum of its rewards, and `l`, its steps, where `_episode` is True (worlds reward the last step
      alone, so `r` is that step's reward).
    - `mission`, int64 (b,): row in `instructions` of the instruction that holds for the returned observation;
      `instruction_text` reads like a list of those texts, and touches the host only when it is read. `_mission` and
      `_instruction_text` are all True.
    - when some episode is over, and only then: `final_obs`, the last observations of the old episodes, tensors with k
      rows, one for each environment in `final_rows` (k,), in growing order; `final_mission` (k,) is the row of their
      instruction, and `_final_obs` (b,) marks the same environments. The returned observation holds the first one of
      the next episode in their rows.

    `arrays=True` of `gymnasium.make_vec` gives the same rooms in numpy, with infos as Gymnasium's own vector
    environments have them: `RoomsArrayVectorEnv`.

    A step waits for the device once, to learn which episodes are over; more often only where it has to make new ones.

    Args:
        level: "Seek", "GoToLocal"...; see `levels.registry.LEVELS`.
        num_envs: environments side by side.
        device: "auto" (CUDA where it is there), "cpu" or "cuda".
        render_mode: None, or "rgb_array" for `render`.
        max_episode_steps: what Gymnasium gives from a spec; the level's own limit, which the option `max_steps` sets.
        **options: those of `RoomsSettings` (senses, compass, spoken, outages, outage_steps, all_at_once, camera_size),
            and the level's own (size, objects, split, max_steps, room_size, where it has them).

    Attributes:
        senses: the Spec of one environment's observation.
        action_names: left, right, forward, pickup, drop, toggle, done.
        step_s: duration of a step.
        experts: whom `expert_actions` can ask.
        instructions: every text that the level can give; `infos["mission"]` is a row of it.

    Raises:
        UnknownNameError: there is no such level.
        ConfigError: an option is unknown or out of its range, or the device is not here.
        SpecError: an outage rate for a sense that is not there.
    """

    metadata: dict[str, Any] = {
        "autoreset_mode": AutoresetMode.SAME_STEP,
        "render_modes": ["rgb_array"],
        "render_fps": round(1 / STEP_S),
        "torch": True,
    }
    action_names: tuple[str, ...] = ACTIONS
    step_s: float = STEP_S
    autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP
    experts: tuple[str, ...] = EXPERTS
    senses: Spec

    def __init__(
        self,
        level: str = "Seek",
        num_envs: int = 1,
        device: str | torch.device = "auto",
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        **options: Any,
    ) -> None:
        self.num_envs = require_whole("num_envs", num_envs, 1)
        self.device = choose_device(device)
        self.render_mode = require_render_mode(render_mode)
        self.simulation = Simulation(level, options, self.device)
        self.spec = EnvSpec(rooms_id(level), kwargs={"level": level} | options)
        limit = self.simulation.level.max_steps
        if max_episode_steps not in (None, limit):
            raise ConfigError(
                f"`max_episode_steps` must be the level's own, {limit}; got {max_episode_steps!r}: did you mean "
                '"max_steps"?'
            )
        self.senses = self.simulation.spec
        self.single_observation_space = self.senses.space()
        self.single_action_space = gymnasium.spaces.Discrete(len(ACTIONS))
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._make_the_rest(bool(render_mode))
        pass_through_conversions(Instructions, lambda texts, _: texts)

    def __getstate__(self) -> dict[str, Any]:
        """Level, options and state; what is made of them is made again where a pickle or a copy arrives."""
        made = ("instructions", "observation_space", "_flags", "_everyone")
        state = {name: value for name, value in self.__dict__.items() if name not in made}
        return state | {"_renderer": self._renderer is not None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_the_rest(bool(state["_renderer"]))

    def _make_the_rest(self, draws: bool) -> None:
        self.instructions = self.simulation.level.missions
        self._everyone = torch.ones(self.num_envs, dtype=torch.bool, device=self.device)
        self._renderer = RoomRenderer(self.simulation.level) if draws else None
        self._flags = torch.zeros(2, dtype=torch.bool, pin_memory=True) if self.device.type == "cuda" else None

    @cached_property
    def observation_space(self) -> gymnasium.Space[Any]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The batch's space; made when it is asked for, since the limits of 4,096 frames fill hundreds of megabytes."""
        return batch_space(self.single_observation_space, self.num_envs)

    @property
    def state(self) -> RoomsState:
        """The truth about every room; changing it changes the world."""
        return self.simulation.state

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[TensorObservation, dict[str, Any]]:
        """Starts an episode everywhere.

        Args:
            seed: a number: environment i begins the life (seed, i). One number for each environment: row i begins the
                life (seed[i], 0), as a `RoomsEnv` with that seed does. None, for all or for one: the next episode of
                its life, and the first time a life of a random seed.
            options: none are known.

        Raises:
            ConfigError: a seed is no whole number of at least 0, there are too few or too many, or an option is given.
        """
        refuse_reset_options(options)
        simulation = self.simulation
        if seed is None and simulation.has_begun:
            simulation.begin_next_everywhere()
        else:
            simulation.begin(*self._lives(seed))
        return simulation.observe(), self._infos()

    def step(
        self, actions: Tensor | np.ndarray
    ) -> tuple[TensorObservation, Float32[Tensor, " b"], Bool[Tensor, " b"], Bool[Tensor, " b"], dict[str, Any]]:
        """Does one action in every environment, and starts the next episode where one is over.

        Args:
            actions: whole numbers 0..6, (b,), a tensor on any device or an array.

        Returns:
            Observation, reward float32 (b,), terminated and truncated bool (b,), infos; see the class.

        Raises:
            ConfigError: an action is out of range, or their shape or type is wrong; nothing is done then, except on
                CUDA, where an action out of range counts as one in range before it is noticed.
        """
        simulation = self.simulation
        actions, is_refused = self._checked(actions)
        outcome = simulation.act(actions)
        is_over = outcome.terminated | outcome.truncated
        steps = simulation.state.step_count.clone()
        which, must_generate = self._ends(is_over, is_refused)
        final = {}
        if len(which):
            final = {"final_obs": simulation.observe(which), "_final_obs": is_over, "final_rows": which}
            final["final_mission"] = simulation.state.mission.index_select(0, which)
            simulation.begin_next(which, must_generate)
        infos = self._infos() | final
        infos["is_success"] = outcome.terminated & (outcome.reward > 0)
        infos["episode"] = {"r": outcome.reward.clone(), "l": steps}
        infos["_is_success"] = infos["_episode"] = is_over
        return simulation.observe(), outcome.reward, outcome.terminated, outcome.truncated, infos

    def observe(self) -> TensorObservation:
        """The present observation once more, in fresh tensors; after `set_state`, say."""
        return self.simulation.observe()

    def instruction_texts(self) -> list[str]:
        """The instruction that holds in each environment now."""
        return list(Instructions.of(self.instructions, self.state.mission))

    def expert_actions(self, expert: str = "knowing") -> Int[Tensor, " b"]:
        """What an expert would do now, (b,) on the device.

        Args:
            expert: "knowing" knows the whole state. "honest" knows what its agent has seen since the episode began, and
                looks for the rest, so that it can be imitated where rooms are many; ask it at every step.

        Raises:
            UnknownNameError: there is no such expert.
        """
        return self.simulation.expert_actions(expert)

    def sees_target(self) -> Bool[Tensor, " b"] | None:
        """Whether a thing that the instruction means is in view now, or in the hands; None where nothing can be seen.

        In view is what the symbolic view shows, or the camera, where no wall hides it.
        """
        return self.simulation.sees_target()

    def get_state(self) -> dict[str, Tensor]:
        """Copies of all that decides the future, as a flat dict of tensors with b rows each."""
        return self.simulation.tensors()

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Goes on, bit by bit, from where `get_state` was called on an environment with the same options.

        Raises:
            ConfigError: the tensors are of another sort of environment.
        """
        self.simulation.set_tensors(state, self.num_envs)

    def render(self) -> tuple[np.ndarray, ...] | None:
        """A picture of each room, with what its agent sees and hears now; None without `render_mode="rgb_array"`.

        Returns:
            For each environment uint8 (440, 1040, 3), as `RoomsEnv.render`.

        Raises:
            ConfigError: nothing has begun.
            MissingExtraError: cv2 cannot be imported.
        """
        if self._renderer is None:
            return None
        observation = {name: tensor.cpu().numpy() for name, tensor in self.observe().items()}
        rows = ({name: array[row] for name, array in observation.items()} for row in range(self.num_envs))
        return tuple(self._renderer.draw(self.state, row, sensed) for row, sensed in enumerate(rows))

    def _infos(self) -> dict[str, Any]:
        mission = self.state.mission.clone()
        texts = Instructions.of(self.instructions, mission)
        masks = {"_mission": self._everyone, "_instruction_text": self._everyone}
        return {"mission": mission, "instruction_text": texts} | masks

    def _lives(self, seed: object) -> tuple[Tensor, Tensor, Tensor]:
        numbers = torch.arange(self.num_envs, device=self.device)
        zeros = torch.zeros_like(numbers)
        if seed is None:
            seed = int(self.np_random.integers(MAX_SEED))
        if isinstance(seed, (Sequence, np.ndarray)) and getattr(seed, "ndim", 1) and not isinstance(seed, str):
            if len(seed) != self.num_envs:
                raise ConfigError(f"`seed` must hold one number for each of {self.num_envs}; got {len(seed)}.")
            lives = [self._life(row, number) for row, number in enumerate(seed)]
            seeds, rows, episodes = torch.tensor(lives, device=self.device).t().contiguous().unbind()
            return seeds, rows, episodes
        seed = require_whole("seed", seed, 0, MAX_INT64)
        super().reset(seed=seed)  # for `np_random`
        return zeros + seed, numbers, zeros

    def _life(self, row: int, seed: object) -> tuple[int, int, int]:
        """What names the episode that one environment begins; see `reset`."""
        if seed is not None:
            return require_whole("seed", seed, 0, MAX_INT64), 0, 0
        if not self.simulation.has_begun:
            return int(self.np_random.integers(MAX_SEED)), 0, 0
        state = self.state
        return int(state.seed[row]), int(state.index[row]), int(state.episode[row]) + 1

    def _checked(self, actions: object) -> tuple[Int[Tensor, " b"], Bool[Tensor, ""] | None]:
        """The actions on the device, and whether one was out of range where only the device knows it."""
        try:
            given = torch.as_tensor(actions) if isinstance(actions, (Tensor, np.ndarray, list, tuple)) else None
        except (RuntimeError, TypeError, ValueError):  # texts, None, rows of different lengths
            given = None
        is_whole = given is not None and not (given.is_floating_point() or given.is_complex())
        if given is None or given.shape != (self.num_envs,) or not is_whole or given.dtype == torch.bool:
            got = type(actions).__name__ if given is None else f"{given.dtype} {tuple(given.shape)}"
            raise ConfigError(f"Actions must be {self.num_envs} whole numbers, one for each environment; got {got}.")
        if self._flags is None or not given.is_cuda:
            given = given.to("cpu", torch.int64)
            least, most = torch.aminmax(given)
            if not 0 <= int(least) <= int(most) <= _LAST_ACTION:
                raise ConfigError(f"Actions must be in 0..{_LAST_ACTION}; got {int(least)}..{int(most)}.")
            return given.to(self.device), None
        given = given.to(self.device, torch.int64)
        bounded = given.clamp(0, _LAST_ACTION)
        return bounded, (given != bounded).any()

    def _ends(self, is_over: Bool[Tensor, " b"], is_refused: Tensor | None) -> tuple[Int[Tensor, " k"], bool]:
        """Which episodes are over, and whether the next ones have to be made; waits for the device once."""
        must_generate = self.simulation.must_generate(is_over)
        if self._flags is None:
            return is_over.nonzero()[:, 0], bool(must_generate)
        flags = torch.stack((must_generate, must_generate.new_zeros(()) if is_refused is None else is_refused))
        self._flags.copy_(flags, non_blocking=True)
        which = is_over.nonzero()[:, 0]  # this waits, so the flags have arrived as well
        if bool(self._flags[1]):
            raise ConfigError(f"Actions must be in 0..{_LAST_ACTION}; at least one was not.")
        return which, bool(self._flags[0])


def pass_through_conversions(kind: type[Any], convert: Callable[[Any, Callable[[Any], Any]], Any]) -> None:
    """Tells Gymnasium's `ArrayConversion` how to convert a sort of container, where what it needs is installed.

    Args:
        kind: the container's class; by itself Gymnasium would take texts in it for arrays.
        convert: gets a container, and what converts one value.
    """
    try:
        from gymnasium.wrappers.array_conversion import array_conversion
    except ImportError:
        return

    def converted(value: Any, xp: Any, device: Any = None) -> Any:
        return convert(value, lambda part: array_conversion(part, xp, device))

    cast(Any, array_conversion).register(kind)(converted)


def refuse_reset_options(options: Mapping[str, Any] | None) -> None:
    """Says so where a reset is asked for something that no environment of ours knows.

    Raises:
        ConfigError: an option is given.
    """
    if options:
        raise ConfigError(
            f"reset() knows no options; got {', '.join(map(str, options))}: choose them when making the environment."
        )


def require_render_mode(render_mode: str | None) -> str | None:
    """A mode that is known.

    Raises:
        ConfigError: it is not.
    """
    if render_mode not in (None, "rgb_array"):
        raise ConfigError(f'`render_mode` must be "rgb_array" or nothing; got {render_mode!r}.')
    return render_mode
