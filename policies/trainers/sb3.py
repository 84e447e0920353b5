"""The trainer "sb3": stable-baselines3's PPO, or sb3-contrib's RecurrentPPO with an LSTM as memory."""

from typing import TYPE_CHECKING, Any

from ...perception.errors import ConfigError
from ..presets import PPOPreset, recurrent_ppo_settings
from ..trainer import Job, Setup, Trainer
from .settings import new_settings

if TYPE_CHECKING:
    from gymnasium import spaces
    from stable_baselines3.common.policies import ActorCriticPolicy

    from ...perception.config import PerceptionConfig
    from ...perception.spec import Spec
    from ..training import Training


class SB3Trainer(Trainer):
    """The reference: what others know, with our perception. Its memory, "gru" by name, is sb3-contrib's LSTM."""

    name = "sb3"

    def remembers(self, memory: str) -> bool:
        return memory in ("none", "gru")

    def imitates_first(self, memory: str) -> bool:
        return memory == "none"

    def settings(self, job: Job) -> dict[str, Any]:
        settings = new_settings(job, self.plan(job), PPOPreset())
        if settings["normalize_rewards"]:
            raise ConfigError(
                "`ppo.normalize_rewards` needs the trainer senseweave; got sb3. Leave it out, or train with the other."
            )
        return settings

    def build(self, setup: Setup) -> "Training":
        from .sb3_training import SB3Training

        return SB3Training(setup, self.plan(setup.job))

    def make_policy(
        self,
        job: Job,
        senses: "Spec",
        perception: "PerceptionConfig",
        observation_space: "spaces.Dict",
        action_space: "spaces.Space[Any]",
    ) -> "ActorCriticPolicy":
        if job.memory == "none":
            return super().make_policy(job, senses, perception, observation_space, action_space)
        from sb3_contrib.common.recurrent.policies import RecurrentMultiInputActorCriticPolicy

        settings = recurrent_ppo_settings(senses, perception)["policy_kwargs"]
        return RecurrentMultiInputActorCriticPolicy(observation_space, action_space, lambda _: 0.0, **settings)
