"""What a person asks of `senseweave pretrain`, checked when it is made. Nothing heavy is imported here."""

import dataclasses
import math
from typing import Any

from ...perception.errors import ConfigError
from .checks import JsonSettings, require_device, require_text, require_whole
from .train import MAX_SEED, TrainConfig

OBJECTIVE_NAMES = ("contrastive", "dcca", "autoencoder", "translation")
IMPUTATION_NAMES = ("none", "autoencoder", "translation")
"""For the help alone; what counts are `OBJECTIVES` and `IMPUTATIONS`, and a test compares them."""


@dataclasses.dataclass(frozen=True)
class PretrainConfig(JsonSettings):
    """One pretraining.

    Args:
        env: the environment that is played, by chance and, half of the time, by its expert; None with `dataset`.
        env_options: options of that environment.
        dataset: a folder of sessions that `senseweave live --record` wrote, or one of them.
        objectives: name -> weight of each objective.
        steps: minibatches to learn from.
        batch_size: observations of a minibatch.
        num_envs: environments that are played side by side.
        seed: of everything that is random.
        device: "auto" (CUDA when it is there), "cpu", "cuda" or "cuda:N".
        fusion: how the senses are woven together; None takes the default.
        preset: size of the network; None takes the default.
        imputation: how tokens of absent senses are made of the others; the objective of that name must be there.
        modality_dropout: how often each sense is hidden from objectives that reconstruct it, 0..1.
        learning_rate: at the start, falling to a tenth.

    Raises:
        ConfigError: a value is out of its range, or two of them contradict each other.
    """

    env: str | None = None
    env_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    dataset: str | None = None
    objectives: dict[str, float] = dataclasses.field(default_factory=lambda: {"contrastive": 1.0, "autoencoder": 1.0})
    steps: int = 2_000
    batch_size: int = 128
    num_envs: int = 32
    seed: int = 0
    device: str = "auto"
    fusion: str | None = None
    preset: str | None = None
    imputation: str = "none"
    modality_dropout: float = 0.3
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        if self.dataset is not None:
            require_text("dataset", self.dataset)
            if self.env is not None or self.env_options:
                raise ConfigError("`dataset` is a recording, which needs no environment; leave out --env, or it.")
        elif self.env is None:
            object.__setattr__(self, "env", TrainConfig.env)
        else:
            require_text("env", self.env)
        if not isinstance(self.env_options, dict):
            raise ConfigError(f"`env_options` must map names to values; got {self.env_options!r}.")
        if not isinstance(self.objectives, dict) or not self.objectives:
            raise ConfigError(f"`objectives` must map names to weights; got {self.objectives!r}.")
        for name, weight in self.objectives.items():
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < math.inf:
                raise ConfigError(f'The weight of the objective "{name}" must be above 0; got {weight!r}.')
        require_whole("steps", self.steps, 1)
        require_whole("batch_size", self.batch_size, 2, 65_536)
        require_whole("num_envs", self.num_envs, 1, 4096)
        require_whole("seed", self.seed, 0, MAX_SEED)
        require_device(self.device)
        share = self.modality_dropout
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share < 1:
            raise ConfigError(f"`modality_dropout` must be in 0..1, 1 excluded; got {share!r}. 0.3 is a good start.")
        rate = self.learning_rate
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate <= 1:
            raise ConfigError(f"`learning_rate` must be in 0..1, 0 excluded; got {rate!r}. 0.001 is a good start.")
        if self.imputation != "none" and self.imputation in IMPUTATION_NAMES and self.imputation not in self.objectives:
            raise ConfigError(
                f'`imputation` "{self.imputation}" is learned by the objective of that name; add '
                f"--objective {self.imputation}=1."
            )
