"""`ExportedRun`: a folder that `senseweave export` wrote, where a command asks for a run. No torch here.

It tells what a run's configuration tells: senses, actions, step, ages, the environment. The policy is in it, ready.
"""

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import gymnasium
from gymnasium import spaces

from ...perception.errors import CheckpointError, ConfigError
from ...perception.spec import Spec
from ...policies.export import ExportedPolicy, load_exported
from ..play.facts import EnvFacts
from ..play.fitting import lacking
from ..settings.train import TrainConfig
from ..terminal.progress import tell
from .present import UNNAMED, is_exported, require_policy

if TYPE_CHECKING:
    from .directory import RunDirectory


@dataclasses.dataclass(frozen=True)
class PolicyFacts:
    """What an exported folder, or a server, tells of its policy, by the names that `RunConfig` has for it."""

    train: TrainConfig
    spec: Spec
    step_s: float
    action_names: tuple[str, ...]
    max_age_s: dict[str, float]
    run: str


@dataclasses.dataclass(frozen=True)
class ExportedRun:
    """An exported policy.

    Args:
        path: the folder.
        config: what it tells.
        policy: what acts.
        steps: environment steps that it was trained for.
    """

    path: Path
    config: PolicyFacts
    policy: ExportedPolicy
    steps: int

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Opens one.

        Raises:
            CheckpointError: a file is missing or damaged, or the folder holds a perception alone.
            ConfigError: it is of a format that can run code.
        """
        folder = Path(path)
        model = load_exported(folder)
        if not isinstance(model, ExportedPolicy):
            raise CheckpointError(f"{folder} holds a perception alone, which does not act; export a run.")
        origin, step_s = model.description.origin, model.description.origin.step_s
        config = PolicyFacts(
            TrainConfig(env=origin.env or UNNAMED, env_options=dict(origin.env_options)),
            model.spec,
            step_s,
            origin.action_names,
            {name: float(origin.max_age_s.get(name, 3 * step_s)) for name in model.spec},
            origin.run,
        )
        return cls(folder, config, model, origin.steps)

    @property
    def chooses_one_action(self) -> bool:
        """Whether the policy takes one of its named actions, and not several at once or numbers."""
        space = self.policy.action_space
        return isinstance(space, spaces.Discrete) and int(space.n) == len(self.config.action_names)

    def policy_for(self, env: gymnasium.Env[Any, Any]) -> ExportedPolicy:
        """The policy, for an environment like the one it was trained in; it may lack some of the senses.

        Raises:
            ConfigError: the environment has senses of other kinds, none of the policy's, or other actions.
        """
        facts = EnvFacts.of(env)
        for name in lacking(facts.senses, self.config.spec, "the environment", str(self.path)):
            tell(f"{name}: the policy was trained with it, but the environment lacks it; it is absent.")
        own, theirs = self.config.action_names, tuple(facts.action_names)
        if (own and own != theirs) or (not own and env.action_space != self.policy.action_space):
            raise ConfigError(
                f"The environment's actions are {', '.join(theirs) or env.action_space}, but {self.path} was trained "
                f"with {', '.join(own) or self.policy.action_space}; choose another --env."
            )
        return self.policy


PolicyFolder: TypeAlias = "RunDirectory | ExportedRun"
"""What a command takes that wants a policy; to be written in quotes, as torch comes with the first of them."""


def open_policy(path: str | os.PathLike[str]) -> "PolicyFolder":
    """Opens a run, or an exported policy; torch is imported only for a run.

    Raises:
        SenseweaveError: there is neither, or it is damaged; see `RunDirectory.open` and `ExportedRun.open`.
    """
    folder = require_policy(path)
    if is_exported(folder):
        return ExportedRun.open(folder)
    from .directory import RunDirectory

    return RunDirectory.open(folder)
