"""`EnvFacts`: what an environment tells of itself. No torch here, so that a robot's loop can ask, too."""

import dataclasses
from typing import Any

import gymnasium

from ...perception.spec import Spec


@dataclasses.dataclass(frozen=True)
class EnvFacts:
    """What a run needs to know about its environment."""

    senses: Spec
    action_names: tuple[str, ...]
    step_s: float

    @classmethod
    def of(cls, env: gymnasium.Env[Any, Any]) -> "EnvFacts":
        """Reads the attributes that every environment of ours has."""
        return cls(*(env.get_wrapper_attr(name) for name in ("senses", "action_names", "step_s")))
