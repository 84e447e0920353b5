"""How the policy of a run directory is read: `senseweave train` writes one sort of folder, and `PPO.save` another."""

import inspect
from pathlib import Path
from typing import Any, cast

import gymnasium
from gymnasium import spaces
from stable_baselines3 import PPO as SB3PPO
from stable_baselines3.common.policies import ActorCriticPolicy

from ...perception.errors import ConfigError
from ...perception.files import load_strictly, shapes_of
from ...policies.extractor import PerceptionExtractor
from ...policies.policy import SensePolicy
from ...policies.ppo.ppo import PPO
from ...policies.saving import weights
from ...policies.saving.json_spaces import read_space
from ...policies.saving.model_config import SavedModel
from ...policies.trainer import TRAINERS
from .config import RunConfig


class PolicyReader:
    """Reads what `senseweave train` wrote."""

    def require_resumable(self, path: Path) -> None:
        """Refuses a folder that `train --resume` cannot go on in.

        Raises:
            ConfigError: it is one.
        """

    def has_actions(self, config: RunConfig, names: tuple[str, ...]) -> bool:
        """Whether the policy's actions are the named ones, as far as the folder tells."""
        return names == config.action_names

    def chooses_one_action(self, path: Path, config: RunConfig) -> bool:
        """Whether the policy takes one of the run's named actions, and not several at once or numbers."""
        return weights.chooses_one_of(weights.read_policy(path, config.run)[0], len(config.action_names))

    def actions(self, path: Path, config: RunConfig) -> gymnasium.Space[Any] | None:
        """The policy's actions, as far as the folder tells; None where only its environment knows them."""
        return spaces.Discrete(len(config.action_names)) if self.chooses_one_action(path, config) else None

    def read(
        self, path: Path, config: RunConfig, space: spaces.Dict, actions: gymnasium.Space[Any]
    ) -> tuple[ActorCriticPolicy, int]:
        """The newest policy, on the CPU, and the environment steps that it was trained for.

        Args:
            path: the run directory.
            config: its configuration.
            space: of the observations that it will be given.
            actions: the action space.

        Raises:
            ConfigError: it was trained for other actions.
            CheckpointError: the weights are missing, damaged, or do not fit.
        """
        trainer = TRAINERS[config.train.trainer]()

        def build() -> ActorCriticPolicy:
            return trainer.make_policy(config.train, config.spec, config.perception, space, actions)

        tensors, steps = weights.read_policy(path, config.run, lambda: shapes_of(build))
        policy = build()
        load_strictly(policy, tensors, path / weights.FILE)
        return policy, steps


class SavedModelReader(PolicyReader):
    """Reads what `PPO.save` wrote, which can be used, but not trained in by the commands."""

    def require_resumable(self, path: Path) -> None:
        raise ConfigError(f"{path} was written by PPO.save, not by train; go on with PPO.load in Python.")

    def has_actions(self, config: RunConfig, names: tuple[str, ...]) -> bool:
        return not config.action_names or super().has_actions(config, names)

    def chooses_one_action(self, path: Path, config: RunConfig) -> bool:
        return True

    def actions(self, path: Path, config: RunConfig) -> gymnasium.Space[Any] | None:
        told = SavedModel.read(path).action_space
        return None if told is None else read_space(told)

    def read(
        self, path: Path, config: RunConfig, space: spaces.Dict, actions: gymnasium.Space[Any]
    ) -> tuple[ActorCriticPolicy, int]:
        """As above; for what the environment gives: frames whose channels SB3 may have moved while it trained, and
        numbers that its `VecNormalize` rescaled.
        """
        known = {**inspect.signature(SB3PPO).parameters, **inspect.signature(PPO).parameters}
        left_out = {name: known[name].default for name in SavedModel.read(path).left_out}  # matters to learning alone
        model = PPO.load(path, device="cpu", **left_out | {"seed": None, "workers": 1})
        if model.action_space != actions:
            raise ConfigError(
                f"The environment's actions are {actions}, but {path} was trained with {model.action_space}; "
                "choose another --env."
            )
        policy = cast(SensePolicy, model.policy_class(space, actions, lambda _: 0.0, **model.policy_kwargs))
        load_strictly(policy, model.policy.state_dict(), path)
        if isinstance(policy.features_extractor, PerceptionExtractor):
            policy.features_extractor.normalization = model.normalization  # here nobody else rescales
        return policy, model.num_timesteps
