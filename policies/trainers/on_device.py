"""The trainer "senseweave": PPO whose rollouts, advantages and updates stay on the device."""

from typing import TYPE_CHECKING, Any

from ..presets import MEMORY_PRESET, PPOPreset
from ..trainer import Job, Setup, Trainer
from .settings import new_settings

if TYPE_CHECKING:
    from ..training import Training


class OnDeviceTrainer(Trainer):
    """Our own PPO, which can do everything."""

    name = "senseweave"
    takes_auxiliary = True
    compiles = True
    works_together = True
    reads_tensors = True

    def remembers(self, memory: str) -> bool:
        return True

    def imitates_first(self, memory: str) -> bool:
        return True

    def settings(self, job: Job) -> dict[str, Any]:
        return new_settings(job, self.plan(job), PPOPreset() if job.memory == "none" else MEMORY_PRESET)

    def build(self, setup: Setup) -> "Training":
        from .on_device_training import OnDeviceTraining

        return OnDeviceTraining(setup, self.plan(setup.job))
