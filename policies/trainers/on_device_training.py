"""`OnDeviceTraining`: our own PPO as a training, which reads tensors and can resume in the middle of episodes."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from ..ppo.learner import Underway
from ..ppo.ppo import PPO
from ..ppo.sources import Environments, StepOutcome, environments_of
from ..ppo.workers import Workers
from ..presets import PPOPreset, ppo_settings
from ..processes import world_size
from ..saving.checkpoint import Checkpoint
from ..trainer import Plan, Setup
from ..training import Callback, Learned
from .model_training import ModelTraining
from .settings import WORKERS

MAX_TRAINING_SEED = 999_000_000
"""Seeds from here up are for evaluation."""


class OnDeviceTraining(ModelTraining):
    """A training of `senseweave.policies.PPO`.

    Args:
        setup: what it is built from.
        plan: its steps.
    """

    model: PPO

    def __init__(self, setup: Setup, plan: Plan) -> None:
        self._shown: Environments | None = None
        super().__init__(setup, plan)
        if setup.demonstrations is not None:
            self._shown = environments_of(setup.demonstrations, self.model.device)
            self._choose_environments()
        self.settings[WORKERS] = self.model.workers.count

    def _make_model(self, setup: Setup, ppo: PPOPreset) -> PPO:
        settings = ppo_settings(setup.senses, setup.perception, ppo)
        settings["policy_kwargs"]["memory"] = setup.job.memory
        return PPO(
            "MultiInputPolicy",
            setup.environments,
            workers=setup.settings.get(WORKERS),
            auxiliary=setup.job.auxiliary,
            compile=setup.job.compile,
            seed=setup.job.seed,
            device=setup.device,
            **settings,
        )

    def _choose_environments(self) -> None:
        """Has the model play what is shown while it imitates that, and its own environments afterwards."""
        if self._shown is not None:
            is_imitating = self.steps < self._plan.imitation
            self.model._environments = self._shown if is_imitating else None

    def restart(self, seed: int) -> None:
        self.model.restart(seed)

    @property
    def resumes_exactly(self) -> bool:
        return world_size() == 1 and self.model.resumes_exactly

    def snapshot(self) -> dict[str, Tensor]:
        return self.model.snapshot() if self.resumes_exactly else {}

    def restore_snapshot(self, snapshot: Mapping[str, Tensor]) -> None:
        self.model.restore_snapshot(snapshot)

    def speeds(self) -> Mapping[str, float]:
        return self.model.learner.speeds()

    def gradients_told(self) -> Mapping[str, float]:
        return self.model.learner.gradients_told()

    def learned(self) -> Learned:
        return super().learned()._replace(losses=self.model.auxiliary_state())

    def restore(self, checkpoint: Checkpoint, source: Path) -> None:
        self.model.restore_auxiliary(checkpoint.world)
        super().restore(checkpoint, source)
        self._choose_environments()

    def _imitate(self, callback: Callback) -> bool:
        self.model.compile_perception()
        return super()._imitate(callback)

    def _end_imitation(self, callback: Callback) -> None:
        if self._shown is not None and self._plan.learning:
            self._choose_environments()
            self.model.restart(self._job.seed % MAX_TRAINING_SEED)
        super()._end_imitation(callback)

    @property
    def environments(self) -> Environments:
        return self.model.environments

    @property
    def underway(self) -> Underway:
        return self.model.underway

    @underway.setter
    def underway(self, underway: Underway) -> None:
        self.model.underway = underway

    def note_outcome(self, outcome: StepOutcome) -> None:
        self.model.tally.note(outcome)

    def end_rollout(self) -> None:
        self.model.record_episodes()

    @property
    def workers(self) -> Workers:
        return self.model.workers

    @property
    def auxiliary(self) -> Mapping[str, nn.Module]:
        return dict(self.model.auxiliary.items())
