"""Taking senses away: `SensorOutages` in bursts over time, `WithoutSenses` for good.

Both set the sense's bit in `present` to 0 and put its placeholder in its place, so that nothing leaks; the spec, the
world and its random numbers stay as they are. `OutageProcess` is the arithmetic alone, over any number of environments
at once and without a random generator of its own, in numpy or in torch, so that the batched simulator uses it too.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from ..perception.errors import ConfigError, SpecError, did_you_mean
from ..perception.spec import PRESENT, Spec
from .contract import Observation

if TYPE_CHECKING:
    import torch

Array = TypeVar("Array", NDArray[Any], "torch.Tensor")

OUTAGE_STREAM = 0x6F7574
"""Keeps the outages' random numbers apart from those of the world, which starts from the same seed: a second word of
numpy's seed here, a branch under a life's key in the batched simulator (whose levels use small numbers)."""


class OutageProcess:
    """A two-state Markov chain for each sense, and one that takes all senses at once.

    A sense is gone for a fraction `rate` of all steps, `mean_steps` at a time on average; lengths are geometric. The
    caller draws the random numbers: uniform in 0..1, of shape (..., chains), where the last chain is the common one.

    Args:
        names: the senses, in the order of the mask.
        rates: sense -> fraction of time that it is gone, 0..1; or one number for every sense.
        mean_steps: mean length of an outage in steps, at least 1; or "episode", for whole episodes.
        all_at_once: fraction of time that every sense is gone together, on top of the rates.

    Raises:
        ConfigError: a number is out of range, or outages are so frequent and short that no chain can make them.
        SpecError: a rate is given for a sense that is not there.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        rates: Mapping[str, float] | float,
        mean_steps: float | Literal["episode"] = 20.0,
        all_at_once: float = 0.0,
    ) -> None:
        by_name = rates if isinstance(rates, Mapping) else dict.fromkeys(names, rates)
        for name in by_name:
            if name not in names:
                raise SpecError(f'There is no sense "{name}" to take away; {did_you_mean(name, names)}')
        for name, rate in [*by_name.items(), ("all_at_once", all_at_once)]:
            if not 0 <= rate <= 1:
                raise ConfigError(f'The outage rate of "{name}" must be in 0..1; got {rate!r}.')
        if mean_steps != "episode" and (isinstance(mean_steps, str) or not 1 <= mean_steps < float("inf")):
            raise ConfigError(f'`mean_steps` must be at least 1 step, or "episode"; got {mean_steps!r}.')
        self.chains = len(names) + 1
        self.rate: Any = np.array([*(by_name.get(name, 0.0) for name in names), all_at_once])
        self.return_probability: Any = np.zeros(self.chains)
        self.failure_probability: Any = np.zeros(self.chains)
        if mean_steps != "episode":
            self.return_probability = np.where(self.rate < 1, 1 / mean_steps, 0.0)
            here = np.where(self.rate < 1, 1 - self.rate, 1.0)
            self.failure_probability = self.return_probability * self.rate / here
            if (self.failure_probability > 1 + 1e-9).any():
                most = self.rate[self.rate < 1].max()
                raise ConfigError(
                    f"Outages of {mean_steps:g} steps cannot fill {most:g} of the time; raise `mean_steps` to "
                    f"{math.ceil(round(100 * most / (1 - most), 6)) / 100:g} or more, or lower the rate."
                )

    def on(self, device: "torch.device | str") -> Self:
        """The same process over torch tensors (float32, bool) on a device."""
        import torch

        moved = copy.copy(self)
        for name in ("rate", "return_probability", "failure_probability"):
            setattr(moved, name, torch.tensor(getattr(self, name), dtype=torch.float32, device=device))
        return moved

    def start(self, uniform: Array) -> Array:
        """Which chains are out at the first step: as at any other step, a fraction `rate` of them."""
        return uniform < self.rate

    def advance(self, is_out: Array, uniform: Array) -> Array:
        """Which chains are out one step later, from which are out now."""
        return (is_out & (uniform >= self.return_probability)) | (~is_out & (uniform < self.failure_probability))

    @staticmethod
    def absent(is_out: Array) -> Array:
        """Which senses are absent (..., senses): those whose own chain or whose common chain is out."""
        return is_out[..., :-1] | is_out[..., -1:]


class _SenseRemover(gym.Wrapper[Any, Any, Any, Any]):
    """Shared by the wrappers below: what `present` and the content are where a sense is absent."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        if not env.has_wrapper_attr("senses") or not isinstance(env.get_wrapper_attr("senses"), Spec):
            raise SpecError(f"{env} does not tell its senses; wrap it with senseweave.envs.adapt first.")
        self._spec: Spec = env.get_wrapper_attr("senses")
        self._placeholder = self._spec.placeholder()

    def _remove(self, observation: Observation, absent: NDArray[np.bool_]) -> Observation:
        if not absent.any():
            return observation
        left = dict(observation)
        left[PRESENT] = np.where(absent, 0, observation[PRESENT]).astype(np.int8)
        for name, is_absent in zip(self._spec, absent, strict=True):
            if is_absent:
                left[name] = self._placeholder[name].copy()
        return left


class SensorOutages(_SenseRemover, RecordConstructorArgs):
    """Kills senses in bursts, as cables and radio links do, also all of them at once.

    Its random numbers come from the seed given to `reset`, in a stream of their own: the world lives the same life with
    and without outages. `info` keeps the raw instruction for people; agents get the placeholder.

    Args:
        env: an environment that emits the contract.
        rates: sense -> fraction of time that it is gone; or one number for every sense.
        mean_steps: mean length of an outage in steps; or "episode": a sense is gone for a whole episode or not at all.
        all_at_once: fraction of time that every sense is gone together.

    Raises:
        ConfigError: see `OutageProcess`.
        SpecError: the environment does not tell its senses, or has no sense of that name.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        rates: Mapping[str, float] | float,
        mean_steps: float | Literal["episode"] = 20.0,
        all_at_once: float = 0.0,
    ) -> None:
        RecordConstructorArgs.__init__(self, rates=rates, mean_steps=mean_steps, all_at_once=all_at_once)
        _SenseRemover.__init__(self, env)
        self.process = OutageProcess(self._spec.names, rates, mean_steps, all_at_once)
        self._generator = np.random.default_rng()
        self._is_out = np.zeros(self.process.chains, bool)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode; a seed starts the outages' random numbers anew as well."""
        observation, info = self.env.reset(seed=seed, options=options)
        if seed is not None:
            self._generator = np.random.default_rng([seed, OUTAGE_STREAM])
        self._is_out = self.process.start(self._generator.random(self.process.chains))
        return self._remove(observation, self.process.absent(self._is_out)), info

    def step(self, action: Any) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        """Does one action; senses go and come back before the observation is made."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._is_out = self.process.advance(self._is_out, self._generator.random(self.process.chains))
        return self._remove(observation, self.process.absent(self._is_out)), reward, terminated, truncated, info


class WithoutSenses(_SenseRemover, RecordConstructorArgs):
    """Takes the named senses away for good, to see what an agent can do without them.

    Args:
        env: an environment that emits the contract.
        *more: the senses to take away; the spec and the space still list them.
        names: the same, as a list.

    Raises:
        ObservationError: the environment has no sense of that name.
        SpecError: the environment does not tell its senses.
    """

    def __init__(self, env: gym.Env[Any, Any], *more: str, names: Sequence[str] = ()) -> None:
        names = [*([names] if isinstance(names, str) else names), *more]
        RecordConstructorArgs.__init__(self, names=names)
        _SenseRemover.__init__(self, env)
        self._absent = self._spec.present(*names) == 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode without those senses."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._remove(observation, self._absent), info

    def step(self, action: Any) -> tuple[Observation, Any, bool, bool, dict[str, Any]]:
        """Does one action and leaves those senses out of what is observed."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._remove(observation, self._absent), reward, terminated, truncated, info
