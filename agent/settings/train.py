"""What a person asks for: a frozen dataclass per command, checked when it is made, and plain JSON on disk.

Defaults run on a laptop. Nothing heavy is imported here: the command line builds these before torch is loaded, so
names that live with the networks (fusions, presets, environments) are checked a moment later, where they are used.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

from ...perception.checks import require_whole
from ...perception.config import PRESETS, PerceptionConfig
from ...perception.errors import ConfigError
from ...perception.fusion import FUSIONS
from .base import Section, Settings
from .values import Choice, Device, Number, Numbers, Pairs, Switch, Text, Whole

TRAINERS = ("senseweave", "sb3", "imitation")
"""What `--trainer` chooses from: PPO that stays on the device, stable-baselines3's PPO, or the expert alone."""

MEMORIES = ("none", "gru", "looking_gru")
"""What `--memory` chooses from."""

MAX_SEED = 2**31 - 1
"""The greatest seed of a training run."""

RATE = Number(above=0, at_most=1, hint="0.001 is a good start.", unset="the trainer's own")
WEIGHTS = Numbers(number=Number(at_least=0), noun="weight", metavar="NAME=WEIGHT", example="contrastive=0.5")

ROOMS_RECIPE: dict[str, Any] = {
    "imitation_steps": 600_000,
    "steps": 150_000,
    "num_envs": 64,
    "modality_dropout": 0.05,
    "learning_rate": 1e-4,
}
"""What `senseweave train` takes for a level of Rooms where nobody says for how long; see docs/results.md."""


def with_recipe(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings given for a training run, completed by `ROOMS_RECIPE` where that is meant.

    It is meant for the levels that have an expert, when the lengths of imitation and of reinforcement learning are
    both left open and the policy is one that can imitate; what is given is never changed.
    """
    env, options = given.get("env", TrainConfig.env), given.get("env_options") or {}
    is_rooms = isinstance(env, str) and env.startswith("senseweave/") and not env.startswith("senseweave/Live")
    is_open = not {"steps", "imitation_steps"} & given.keys()
    is_open &= given.get("trainer", TrainConfig.trainer) == "senseweave" or given.get("memory", "none") == "none"
    is_open &= given.get("trainer") != "imitation"
    if not (is_rooms and is_open):
        return dict(given)
    recipe = {
        name: value for name, value in ROOMS_RECIPE.items() if name != "modality_dropout" or "outages" not in options
    }
    return recipe | dict(given)


@dataclasses.dataclass(frozen=True)
class TrainConfig(Settings):
    """One training run.

    Args:
        env: environment, as `senseweave envs` lists it.
        env_options: an option of the environment, such as size=medium.
        steps: environment steps of reinforcement learning. The last rollout is always finished, so a few more are
            taken. 0 is allowed after imitation; with the trainer "imitation", these are steps of that.
        imitation_steps: environment steps before those, in which the policy imitates the environment's expert.
        modality_dropout: fraction of the training episodes in which a sense is missing, each sense by itself;
            evaluation is without.
        num_envs: environments that step side by side.
        seed: of everything random. Training never uses the held-out seeds from 1,000,000,000 up.
        device: auto, cpu, cuda or cuda:N.
        fusion: how the senses are woven together.
        preset: size of the network.
        memory: gru makes the policy recurrent; looking_gru also steers what it looks at. With the trainer sb3, gru is
            sb3-contrib's LSTM.
        trainer: senseweave is PPO on the device, sb3 is stable-baselines3's, imitation learns from the environment's
            expert alone.
        learning_rate: at the start, falling to 0; with the trainer imitation, falling to a tenth. Imitation before
            reinforcement learning always has its own.
        auxiliary: a loss beside the trainer's: instruction_words, mission, or an objective of `senseweave pretrain`.
        perception: start from the weights in this folder, which `senseweave pretrain` or
            Perception.save_pretrained made.
        compile: let torch compile the perception. That takes a minute or so at the start, and on a CPU a C++ compiler;
            a run that resumes is then no longer the same bit for bit.
        checkpoint_every: steps between checkpoints.
        keep_checkpoints: how many of the newest checkpoints stay.
        evaluation_episodes: held-out episodes after training; 0 leaves the evaluation out.
        video: whether to write video.mp4 after training.

    Raises:
        ConfigError: a value is out of its range, or two of them contradict each other.
        UnknownNameError: a name that is in no table.
    """

    env: Annotated[str, Text(metavar="ID"), Section("task")] = "senseweave/Seek-v0"
    env_options: Annotated[dict[str, Any], Pairs(word="env-option")] = dataclasses.field(default_factory=dict)
    steps: Annotated[int, Whole()] = 300_000  # how few it may be depends on `imitation_steps`
    imitation_steps: Annotated[int, Whole(low=0)] = 0
    modality_dropout: Annotated[float, Number(at_least=0, below=1, hint="0.2 is a good start.", metavar="P")] = 0.0
    num_envs: Annotated[int, Whole(low=1, high=4096)] = 16
    seed: Annotated[int, Whole(low=0, high=MAX_SEED)] = 0
    device: Annotated[str, Device(), Section("learning")] = "auto"
    fusion: Annotated[str | None, Choice(what="fusion", table=FUSIONS, unset=PerceptionConfig.fusion)] = None
    preset: Annotated[str | None, Choice(what="preset", table=PRESETS, unset="laptop")] = None
    memory: Annotated[str, Choice(what="memory", table=MEMORIES)] = "none"
    trainer: Annotated[str, Choice(what="trainer", table=TRAINERS)] = "senseweave"
    learning_rate: Annotated[float | None, RATE] = None
    auxiliary: Annotated[dict[str, float], WEIGHTS] = dataclasses.field(default_factory=dict)
    perception: Annotated[str | None, Text(metavar="DIR")] = None
    compile: bool = False
    checkpoint_every: Annotated[int, Whole(low=1), Section("output")] = 50_000
    keep_checkpoints: Annotated[int, Whole(low=1)] = 2
    evaluation_episodes: Annotated[int, Whole(low=0, high=1_000_000)] = 512
    video: Annotated[bool, Switch(help="write no video.mp4")] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole("steps", self.steps, 0 if self.imitation_steps else 1)
        if self.modality_dropout and "outages" in self.env_options:
            raise ConfigError(
                "`modality_dropout` and the environment's option `outages` both take senses away; choose one of them."
            )
        if self.memory == "looking_gru" and self.trainer == "sb3":
            raise ConfigError('`memory` "looking_gru" needs the trainer senseweave; got sb3. Take --memory gru.')
        if self.imitation_steps and self.memory != "none" and self.trainer == "sb3":
            raise ConfigError(
                f'`imitation_steps` with memory "{self.memory}" needs the trainer senseweave; got sb3. Leave out '
                "--trainer, or one of the two."
            )
        if self.imitation_steps and self.trainer == "imitation":
            raise ConfigError(
                f'`imitation_steps` come before reinforcement learning, and the trainer "imitation" has none; got '
                f"{self.imitation_steps}. Give the number as --steps."
            )
        if self.auxiliary and self.trainer == "sb3":
            raise ConfigError("Auxiliary losses need the trainer senseweave; got sb3. Leave one of the two out.")
        if self.compile and self.trainer == "sb3":
            raise ConfigError("`compile` needs the trainer senseweave or imitation; got sb3. Leave one of the two out.")
        if self.perception is not None and (self.fusion is not None or self.preset is not None):
            raise ConfigError(
                "`perception` brings its own fusion and preset; got both. Leave out --fusion and --preset."
            )

    @property
    def all_imitation_steps(self) -> int:
        """Environment steps of imitation, filled up to whole steps of all environments."""
        wanted = self.steps if self.trainer == "imitation" else self.imitation_steps
        return -(-wanted // self.num_envs) * self.num_envs

    @property
    def learning_steps(self) -> int:
        """Environment steps of reinforcement learning."""
        return 0 if self.trainer == "imitation" else self.steps

    @property
    def all_steps(self) -> int:
        """Environment steps of the whole run, imitation included."""
        return self.all_imitation_steps + self.learning_steps
