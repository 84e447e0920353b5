"""`ExportedPolicy`: a policy out of a folder, which acts without torch.

b batch, k width of the memory, a actions, s state width
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from ...perception.errors import ConfigError
from .arrays import Arrays
from .perceiving import START, Exported
from .readings import Ready

MEMORY, MEMORY_OUT = "memory", "memory_out"


class Acted(NamedTuple):
    """What a policy does, and how it came to it; without a batch axis where one observation was given."""

    action: Any
    """As the environment takes it: a number, or an array within the space's limits."""
    memory: Float[np.ndarray, "b k"] | None
    """For the next call, always with its batch axis; None without a memory."""
    state: Float[np.ndarray, "*b s"]
    gates: dict[str, Any]
    value: Any
    numbers: Float[np.ndarray, "*b a"]
    """The logits of the actions, or their means."""
    non_finite: Bool[np.ndarray, "*b m"]


class ExportedPolicy(Exported):
    """A policy that was exported; `load_exported` makes one.

    Attributes:
        action_space: of its actions.
        device: always "cpu"; who plays a policy asks for it.
    """

    action_space: spaces.Space[Any]
    device = "cpu"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if self.description.actions is None:
            raise ConfigError(f"{self.folder} holds a perception alone, which does not act.")
        self.action_space = self.description.actions
        self.seed(0)

    def seed(self, seed: int) -> None:
        """Begins the random numbers of sampled actions anew."""
        self._generator = np.random.default_rng(seed)

    def act(
        self,
        observation: Mapping[str, Any],
        memory: Float[np.ndarray, "b k"] | None = None,
        *,
        start: Any = None,
        greedy: bool = False,
    ) -> Acted:
        """One step.

        Args:
            observation: one or a batch; what is missing or None is absent. See `Exported.prepare`.
            memory: what the last call gave; None where all episodes begin.
            start: (b,), rows whose episode begins with this step; none by default, but where `memory` is None.
            greedy: take the most probable action instead of a sampled one.

        Raises:
            ObservationError: the observation does not fit the senses.
            ConfigError: the memory is of another size.
        """
        ready = self.prepare(observation)
        out = self._called(ready, **self._remembered(ready, memory, start))
        numbers = out["mean"] if "mean" in out else out["logits"]
        action = self._chosen(out, greedy)
        acted = Acted(
            action, out.get(MEMORY_OUT), out["state"], self._gates(out), out["value"], numbers, ready.non_finite
        )
        if ready.is_batch:
            return acted
        gates = {name: gate[0] for name, gate in acted.gates.items()}
        return Acted(action[0], acted.memory, acted.state[0], gates, acted.value[0], numbers[0], acted.non_finite[0])

    def predict(
        self,
        observation: Mapping[str, Any],
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """As `predict` of a policy of stable-baselines3: the memory is a tuple of one array (1, b, k), or None."""
        action, state, _ = self.decide(observation, state, episode_start, deterministic)
        return action, state

    def decide(
        self, observation: Mapping[str, Any], state: Any, episode_start: Any, deterministic: bool
    ) -> tuple[Any, Any, dict[str, Any]]:
        """As `predict`, with the gates (b,) of the very same call by modality."""
        memory = None if state is None else state[0][0]
        acted = self.act(observation, memory, start=episode_start, greedy=deterministic)
        return acted.action, None if acted.memory is None else (acted.memory[None],), acted.gates

    def probabilities(self, observation: Mapping[str, Any]) -> Float[np.ndarray, "b a"]:
        """Of each numbered action, float64; only where there is no memory.

        Raises:
            ConfigError: the actions are not numbered, or there is a memory.
        """
        if not self.samples_each_row_alone:
            raise ConfigError("Only a policy of numbered actions without a memory has probabilities of one call.")
        return _softmax(self._called(self.prepare(observation))["logits"])

    @property
    def samples_each_row_alone(self) -> bool:
        """Whether its sampled action can be drawn for each row by itself: numbered, and no memory."""
        return isinstance(self.action_space, spaces.Discrete) and not self.description.memory

    def set_training_mode(self, mode: bool) -> None:
        """Nothing: it never learns. Who plays a policy asks for it."""

    def _remembered(self, ready: Ready, memory: Any, start: Any) -> Arrays:
        width, rows = self.description.memory, len(ready.non_finite)
        if not width:
            return {}
        begins = np.full(rows, memory is None) if start is None else np.asarray(start, bool).reshape(-1)
        held = np.zeros((rows, width), np.float32) if memory is None else np.asarray(memory, np.float32)
        if held.shape != (rows, width) or begins.shape != (rows,):
            raise ConfigError(
                f"`memory` must be {(rows, width)} and `start` {(rows,)}, as many rows as the observation; got "
                f"{held.shape} and {begins.shape}. Pass what the last call gave."
            )
        return {MEMORY: np.ascontiguousarray(held), START: begins}

    def _chosen(self, out: Arrays, greedy: bool) -> NDArray[Any]:
        return choice_of(self.action_space)(self.action_space, out, None if greedy else self._generator)


Chooser = Callable[[Any, Arrays, np.random.Generator | None], NDArray[Any]]
"""Space, outputs, random numbers or None for the most probable -> actions (b, ...)."""


def choice_of(space: spaces.Space[Any]) -> Chooser:
    """How actions of a space are chosen from a policy's outputs."""
    if isinstance(space, spaces.Box):
        return _numbers
    if isinstance(space, spaces.MultiBinary):
        return _switches
    return _several if isinstance(space, spaces.MultiDiscrete) else _one


def _one(space: spaces.Discrete, out: Arrays, generator: np.random.Generator | None) -> NDArray[Any]:
    return _draw(out["logits"], generator)


def _several(space: spaces.MultiDiscrete, out: Arrays, generator: np.random.Generator | None) -> NDArray[Any]:
    parts = np.split(out["logits"], np.cumsum(space.nvec)[:-1], axis=1)
    return np.stack([_draw(part, generator) for part in parts], axis=1)


def _switches(space: spaces.MultiBinary, out: Arrays, generator: np.random.Generator | None) -> NDArray[Any]:
    share = 1.0 / (1.0 + np.exp(-np.clip(out["logits"].astype(np.float64), -500.0, 500.0)))
    drawn = 0.5 if generator is None else generator.random(share.shape)
    return (share > drawn).astype(np.int8)


def _numbers(space: spaces.Box, out: Arrays, generator: np.random.Generator | None) -> NDArray[Any]:
    numbers = out["mean"]
    if generator is not None:
        spread = np.exp(out["log_std"])
        numbers = numbers + spread * generator.standard_normal(numbers.shape).astype(numbers.dtype)
    return np.clip(numbers.reshape(-1, *space.shape), space.low, space.high).astype(space.dtype)


def _draw(logits: NDArray[Any], generator: np.random.Generator | None) -> NDArray[np.int64]:
    if generator is None:
        return logits.argmax(axis=1)
    bounds = _softmax(logits).cumsum(axis=1)
    chosen = (generator.random(len(bounds))[:, None] >= bounds).sum(axis=1)
    return np.minimum(chosen, logits.shape[1] - 1)  # where the sum of the shares is a little below 1


def _softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    grown = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)
