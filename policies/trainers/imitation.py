"""The trainer "imitation": the environment's expert alone. It is the on-device trainer without its second half."""

from typing import Any

from ...perception.errors import ConfigError
from ..presets import PPOPreset
from ..trainer import Job, Plan, whole_steps
from .on_device import OnDeviceTrainer
from .settings import new_settings


class ImitationTrainer(OnDeviceTrainer):
    """Imitates the expert for all of its steps."""

    name = "imitation"

    def imitates_first(self, memory: str) -> bool:
        return False

    def check(self, job: Job) -> None:
        if job.imitation_steps:
            raise ConfigError(
                f'`imitation_steps` come before reinforcement learning, and the trainer "imitation" has none; got '
                f"{job.imitation_steps}. Give the number as --steps."
            )
        super().check(job)

    def plan(self, job: Job) -> Plan:
        return Plan(whole_steps(job.steps, job.num_envs), 0)

    def settings(self, job: Job) -> dict[str, Any]:
        return new_settings(job, self.plan(job), PPOPreset(), imitation_rate=job.learning_rate)
