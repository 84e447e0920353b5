"""What a person asks of `senseweave pretrain`. Nothing heavy is imported here."""

import dataclasses
from typing import Annotated, Any

from ...perception.config import IMPUTATIONS, PRESETS, PerceptionConfig
from ...perception.errors import ConfigError
from ...perception.fusion import FUSIONS
from ...perception.objectives import OBJECTIVES
from .base import Section, Settings
from .several import Numbers, Pairs
from .train import MAX_SEED, TrainConfig
from .values import Choice, Device, Number, Text, Whole

WEIGHTS = Numbers(
    word="objective",
    number=Number(above=0),
    noun="weight",
    metavar="NAME=WEIGHT",
    example="contrastive=0.5",
    alone=1.0,
    names=Choice(what="objective", table=OBJECTIVES),
)


@dataclasses.dataclass(frozen=True)
class PretrainConfig(Settings):
    """One pretraining.

    Args:
        env: environment to play, by chance and, half of the time, by its expert; `senseweave envs` lists them.
        env_options: an option of the environment, such as size=medium.
        dataset: learn from this folder or file instead of an environment: recordings, a Minari dataset, a
            LeRobotDataset.
        allow_damaged: learn from what is whole in a dataset that is damaged or was cut off.
        objectives: an objective and its weight in the sum; a name alone weighs 1.
        steps: number of minibatches to learn from.
        batch_size: observations in a minibatch.
        num_envs: number of environments side by side.
        seed: seed of everything random.
        device: auto (CUDA where it is there), cpu, cuda or cuda:N.
        fusion: how the senses are woven together.
        preset: size of the network.
        imputation: how the tokens of an absent sense are guessed from the others, now and later; needs the objective of
            that name.
        modality_dropout: how often each sense is hidden from the objectives that reconstruct it.
        learning_rate: learning rate at the start, falling to a tenth.
        checkpoint_every: minibatches between checkpoints, from which it resumes; they go when it is done.

    Raises:
        ConfigError: a value is out of its range, or two of them contradict each other.
        UnknownNameError: a name that is in no table.
    """

    env: Annotated[str | None, Text(metavar="ID", unset=TrainConfig.env), Section("data")] = None
    env_options: Annotated[dict[str, Any], Pairs(word="env-option")] = dataclasses.field(default_factory=dict)
    dataset: Annotated[str | None, Text(metavar="DIR")] = None
    allow_damaged: bool = False
    objectives: Annotated[dict[str, float], WEIGHTS, Section("learning")] = dataclasses.field(
        default_factory=lambda: {"contrastive": 1.0, "autoencoder": 1.0}
    )
    steps: Annotated[int, Whole(low=1)] = 2_000
    batch_size: Annotated[int, Whole(low=2, high=65_536)] = 128
    num_envs: Annotated[int, Whole(low=1, high=4096)] = 32
    seed: Annotated[int, Whole(low=0, high=MAX_SEED)] = 0
    device: Annotated[str, Device()] = "auto"
    fusion: Annotated[str | None, Choice(what="fusion", table=FUSIONS, unset=PerceptionConfig.fusion)] = None
    preset: Annotated[str | None, Choice(what="preset", table=PRESETS, unset="laptop")] = None
    imputation: Annotated[str, Choice(what="imputation", table=IMPUTATIONS)] = "none"
    modality_dropout: Annotated[float, Number(at_least=0, below=1, hint="0.3 is a good start.", metavar="P")] = 0.3
    learning_rate: Annotated[float, Number(above=0, at_most=1, hint="0.001 is a good start.")] = 1e-3
    checkpoint_every: Annotated[int, Whole(low=1), Section("output")] = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dataset is not None and (self.env is not None or self.env_options):
            raise ConfigError("`dataset` is a recording, which needs no environment; leave out --env, or it.")
        if self.dataset is None and self.env is None:
            object.__setattr__(self, "env", TrainConfig.env)
        if not self.objectives:
            raise ConfigError("`objectives` must name at least one; got none.")
        if self.imputation != "none" and self.imputation not in self.objectives:
            raise ConfigError(
                f'`imputation` "{self.imputation}" is learned by the objective of that name; add '
                f"--objective {self.imputation}=1."
            )
