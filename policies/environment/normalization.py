"""`Normalization`: what stable-baselines3's `VecNormalize` knows, as plain numbers, and applied to observations.

A policy that learned behind it reads nothing right without it. Its running means are saved with the model, go back
into a `VecNormalize` when training goes on, and are applied where an environment or a rig gives plain numbers.

b batch
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecEnv, VecNormalize, unwrap_vec_normalize
from torch import Tensor

from ...perception.errors import CheckpointError, ConfigError
from ...perception.spec import Spec
from .spaces import has_limits

ONLY = ""
"""The name of an observation that is no dict."""


@dataclasses.dataclass(frozen=True, eq=False)
class Statistics:
    """Of numbers that were seen.

    Args:
        mean: as the numbers are shaped.
        var: the same.
        count: how many were seen.
    """

    mean: NDArray[np.float64]
    var: NDArray[np.float64]
    count: float

    @classmethod
    def of(cls, running: RunningMeanStd) -> Self:
        """A copy of what SB3 keeps."""
        return cls(np.array(running.mean, np.float64), np.array(running.var, np.float64), float(running.count))

    def give_to(self, running: RunningMeanStd) -> None:
        """Puts it back."""
        running.mean, running.var, running.count = self.mean.copy(), self.var.copy(), self.count

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, which hold every bit."""
        return {"mean": self.mean.tolist(), "var": self.var.tolist(), "count": self.count}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote."""
        mean, var = (np.array(content[name], np.float64) for name in ("mean", "var"))
        statistics = cls(mean, var, float(content["count"]))
        is_right = statistics.mean.shape == statistics.var.shape and (statistics.var >= 0).all()
        if not is_right or not np.isfinite([*statistics.mean.flat, *statistics.var.flat, statistics.count]).all():
            raise ValueError("a mean or a variance is none")
        return statistics


@dataclasses.dataclass(frozen=True)
class Normalization:
    """Running means of some senses, and of the rewards.

    Args:
        senses: by name; those that are rescaled, and no others.
        clip: rescaled numbers are cut off here.
        epsilon: added to variances.
        returns: of the discounted rewards; None where rewards stay as they are.
    """

    senses: dict[str, Statistics]
    clip: float
    epsilon: float
    returns: Statistics | None = None

    @classmethod
    def of(cls, env: VecEnv | None) -> Self | None:
        """What the environments' `VecNormalize` knows now; None where there is none."""
        wrapper = None if env is None else unwrap_vec_normalize(env)
        if wrapper is None:
            return None
        senses = {name: Statistics.of(running) for name, running in _running(wrapper).items()}
        returns = Statistics.of(wrapper.ret_rms) if wrapper.norm_reward else None
        return cls(senses, float(wrapper.clip_obs), float(wrapper.epsilon), returns)

    def give_to(self, env: VecEnv | None) -> None:
        """Puts the statistics into the environments' `VecNormalize`; one that has seen something keeps its own.

        Raises:
            ConfigError: it rescales other senses, or there is none though senses were rescaled.
        """
        wrapper = None if env is None else unwrap_vec_normalize(env)
        own = {} if wrapper is None else _running(wrapper)
        if own.keys() != self.senses.keys():
            names = [name for name in self.senses if name != ONLY]
            raise ConfigError(
                f"The model learned behind VecNormalize over {', '.join(names) or 'its observation'}; got environments "
                f"with {'one over ' + ', '.join(own) if any(own) else 'none'}. Wrap them, "
                f"VecNormalize(env, norm_obs_keys={names or None})."
            )
        if wrapper is None:
            return
        for name, running in own.items():
            if running.count < 1:
                self.senses[name].give_to(running)
        if self.returns is not None and wrapper.ret_rms.count < 1:
            self.returns.give_to(wrapper.ret_rms)

    def normalize(self, observation: Any) -> Any:
        """An observation of numpy arrays, one or a batch, as the policy learned to read it."""
        if not isinstance(observation, Mapping):
            return self._rescaled(ONLY, observation) if ONLY in self.senses else observation
        return {
            name: self._rescaled(name, part) if name in self.senses and part is not None else part
            for name, part in observation.items()
        }

    def _rescaled(self, name: str, part: Any) -> NDArray[np.float32]:
        known = self.senses[name]
        numbers = (np.asarray(part, np.float64) - known.mean) / np.sqrt(known.var + self.epsilon)
        return np.clip(numbers, -self.clip, self.clip).astype(np.float32)

    def applied(self, observation: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The same for tensors with a batch axis; what is not finite stays so, and absent."""
        rescaled = dict(observation)
        for name, known in self.senses.items():
            if name in rescaled:
                numbers = rescaled[name].double()
                mean, var = (torch.as_tensor(part, device=numbers.device) for part in (known.mean, known.var))
                numbers = (numbers - mean) / (var + self.epsilon).sqrt()
                finite = torch.isfinite(rescaled[name])
                rescaled[name] = torch.where(finite, numbers.clamp(-self.clip, self.clip), torch.nan).float()
        return rescaled

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "senses": {name: known.to_json() for name, known in self.senses.items()},
            "clip": self.clip,
            "epsilon": self.epsilon,
            "returns": None if self.returns is None else self.returns.to_json(),
        }

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            CheckpointError: it is something else.
        """
        try:
            returns = content["returns"]
            return cls(
                {str(name): Statistics.from_json(known) for name, known in content["senses"].items()},
                float(content["clip"]),
                float(content["epsilon"]),
                None if returns is None else Statistics.from_json(returns),
            )
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise CheckpointError(f"The saved normalization is described in another way: {error!r}.") from error


def require_rescalable(spec: Spec | None, env: VecEnv) -> None:
    """Refuses a `VecNormalize` over senses that have a scale of their own: cameras, sound, tokens, grids, depth. Two of
    them are refused, too, as only the outer one would be saved.

    Raises:
        ConfigError: it rescales one, or there are two.
    """  # noqa: D205
    wrapper = unwrap_vec_normalize(env)
    inner: Any = None if wrapper is None else wrapper.venv
    if inner is not None and unwrap_vec_normalize(inner) is not None:
        raise ConfigError(
            "There are two VecNormalize around the environments, of which only one can be saved; take one alone, "
            "VecNormalize(env, norm_obs_keys=[...]) with the keys of both."
        )
    rescaled = [] if wrapper is None or spec is None else [name for name in _running(wrapper) if name in spec]
    for name in rescaled:
        if spec is not None and has_limits(spec[name]):
            others = [other for other in rescaled if not has_limits(spec[other])]
            instead = f"norm_obs_keys={others}" if others else "norm_obs=False"
            raise ConfigError(
                f'"{name}" is of the kind {type(spec[name]).__name__}, which has a scale of its own, but VecNormalize '
                f"rescales it; pass VecNormalize(..., {instead})."
            )


def _running(wrapper: VecNormalize) -> dict[str, RunningMeanStd]:
    """What it keeps of observations, by sense."""
    if not wrapper.norm_obs:
        return {}
    running: Any = wrapper.obs_rms
    if isinstance(wrapper.observation_space, spaces.Dict):
        return {name: running[name] for name in wrapper.norm_obs_keys or ()}
    return {ONLY: running}
