"""What a saved model tells about the environments that it learned in: their id, options, action names, step.

Read from attributes that environments of senseweave have, and others may lack. Nothing is made or imported here.
"""

import dataclasses
import json
from typing import Any, Self

import gymnasium
from gymnasium.envs.registration import EnvSpec
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv

from ...perception.errors import CheckpointError, ConfigError
from ...perception.texts import shown
from .json_values import encode

_NOT_OPTIONS = ("num_envs", "device", "render_mode", "vectorization_mode", "vector_kwargs", "wrappers")
"""Keyword arguments of an environment that do not change what it is."""


@dataclasses.dataclass(frozen=True)
class EnvironmentFacts:
    """What is known; None and () where nothing is.

    Args:
        id: as Gymnasium's registry has it.
        options: that it was made with, as plain JSON values.
        step_s: seconds that one step stands for.
        action_names: of a discrete action space.
    """

    id: str | None = None
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    step_s: float | None = None
    action_names: tuple[str, ...] = ()

    @classmethod
    def of(cls, env: VecEnv) -> Self:
        """Asks the environments."""
        env_id, options = _named(_attribute(env, "spec"))
        step_s, names = _attribute(env, "step_s"), _attribute(env, "action_names")
        return cls(env_id, options, None if step_s is None else float(step_s), tuple(str(name) for name in names or ()))

    def to_json(self) -> dict[str, Any]:
        """These facts as plain JSON values."""
        return dataclasses.asdict(self) | {"action_names": list(self.action_names)}

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """Reads what `to_json` wrote.

        Raises:
            CheckpointError: it is something else.
        """
        try:
            facts = cls(**content | {"action_names": tuple(content["action_names"])})
            is_right = isinstance(facts.options, dict) and isinstance(facts.id, (str, type(None)))
            is_right &= facts.step_s is None or 0.0 < float(facts.step_s) < 1e9
            is_right &= all(isinstance(name, str) for name in facts.action_names)
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            told = shown(repr(error))
            raise CheckpointError(f"The saved environment is described in another way: {told}.") from error
        if not is_right:
            raise CheckpointError(f"The saved environment is described in another way: {shown(repr(content), 80)}.")
        return facts


def _attribute(env: VecEnv, name: str) -> Any:
    """An attribute of the environments; None where it is lacking, or cannot be had without risk to another process."""
    inner = env.unwrapped
    holder: Any = getattr(inner, "env", inner)
    found = getattr(holder, name, None)
    if found is not None:
        return found
    if getattr(holder, "envs", None):
        try:
            return holder.envs[0].get_wrapper_attr(name)
        except AttributeError:
            return None
    if isinstance(inner, SubprocVecEnv) and name != "spec" and inner.has_attr(name):
        return inner.get_attr(name, 0)[0]
    return None


def _named(spec: Any) -> tuple[str | None, dict[str, Any]]:
    if not isinstance(spec, EnvSpec):
        return None, {}
    registered = gymnasium.registry.get(spec.id)
    usual = registered.kwargs if registered is not None else {}
    options = {name: value for name, value in spec.kwargs.items() if name not in _NOT_OPTIONS}
    try:
        plain = json.loads(json.dumps({name: encode(value, name) for name, value in options.items()}))
    except ConfigError:  # options that no file can hold
        return None, {}
    return spec.id, {name: value for name, value in plain.items() if name not in usual or usual[name] != options[name]}
