"""What a person asks of `senseweave train`: a frozen dataclass that checks itself, and plain JSON on disk.

Defaults run on a laptop. Nothing heavy is imported here: the command line builds this before torch is loaded, so what
lives with the environment (its id, its options) is checked a moment later, where it is used.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Self

from ...perception.checks import require_whole
from ...perception.config import PRESETS, PerceptionConfig
from ...perception.errors import ConfigError
from ...perception.fusion import FUSIONS
from ...policies.choices import AUXILIARIES, MEMORIES
from ...policies.recipes import RECIPES, Recipe, resolved
from ...policies.trainer import TRAINERS, Plan
from ...policies.trainers.settings import require_overrides
from .base import Section, Settings
from .several import Numbers, Pairs
from .values import Choice, Device, Number, Switch, Text, Whole

MAX_SEED = 2**31 - 1
"""The greatest seed of a training run."""

UNNAMED = "unnamed"
"""Stands for the environment where there is none: a saved or exported policy did not tell its id, or a dataset was
learned from."""

MINIGRID = ("BabyAI-", "MiniGrid-")
"""What the ids of minigrid's environments begin with."""

RECIPE = Choice(what="recipe", table=RECIPES, is_open=True)
WEIGHTS = Numbers(
    number=Number(at_least=0),
    noun="weight",
    metavar="NAME=WEIGHT",
    example="contrastive=0.5",
    names=Choice(what="auxiliary loss", table=AUXILIARIES, is_open=True),
)

TASK = Section(
    "task",
    "The defaults shown are those of the recipe seek, which a level of Rooms (senseweave/...) gets. A level of BabyAI "
    "gets the recipe babyai where it has a batched twin, or babyai_bot; `senseweave envs` shows what they reach. "
    "An environment of your own gets the recipe own, everything else plain: "
    f"{Recipe.steps:_} steps, no imitation, no memory, {Recipe.num_envs} environments, no dropout.",
)


@dataclasses.dataclass(frozen=True)
class TrainConfig(Settings):
    """One training run. `of_recipe` fills in what is left open; the defaults here are those of the recipe "plain".

    Args:
        recipe: the whole configuration of a known job, which the other options change.
        env: id of an environment; `senseweave envs` lists them.
        env_options: an option of the environment, such as size=medium.
        steps: environment steps of reinforcement learning, or of imitation with the trainer imitation. The last rollout
            is always finished, so a few more are taken. 0 is allowed after imitation. Given alone, it scales the
            recipe: half of its steps halve its imitation, too.
        imitation_steps: environment steps before those, in which the policy imitates the environment's expert. Given
            alone, it scales the recipe as well; 0 leaves imitation out.
        modality_dropout: fraction of the training episodes in which a sense is missing, each sense by itself;
            evaluation is without.
        num_envs: number of environments side by side.
        seed: seed of everything random. Training never uses the held-out seeds from 1,000,000,000 up.
        device: auto (CUDA where it is there), cpu, cuda or cuda:N.
        fusion: how the senses are woven together.
        preset: size of the network.
        memory: gru makes the policy recurrent; looking_gru also steers what it looks at. With the trainer sb3, gru is
            sb3-contrib's LSTM.
        trainer: senseweave is PPO on the device, sb3 is stable-baselines3's, imitation learns from the environment's
            expert alone.
        learning_rate: learning rate at the start, falling to 0; with the trainer imitation, falling to a tenth.
            Imitation before reinforcement learning always has its own.
        auxiliary: a loss beside the trainer's, with its weight.
        perception: start from the weights in this folder, which `senseweave pretrain` or
            Perception.save_pretrained made.
        overrides: a setting of PPO or of imitation by its name, such as ppo.gamma=0.98 or imitation.epochs=2.
        compile: let torch compile the perception. That takes a minute or so at the start, and on a CPU a C++ compiler;
            a run that resumes is then no longer the same bit for bit.
        dataset: imitate the episodes in this folder or file instead of an expert: recordings, a Minari dataset, a
            LeRobotDataset. Without --trainer and --imitation-steps, nothing follows, and no --env is needed; `steps`
            counts the samples that are seen then.
        held_out: part of the dataset's episodes that is kept for the curve, and not learned from.
        allow_damaged: learn from what is whole in a dataset that is damaged or was cut off.
        checkpoint_every: steps between checkpoints.
        keep_checkpoints: number of the newest checkpoints to keep.
        evaluation_episodes: held-out episodes after training; 0 leaves the evaluation out.
        video: whether to write video.mp4 after training.

    Raises:
        ConfigError: a value is out of its range, or the trainer cannot do what is asked.
        UnknownNameError: a name that is in no table.
    """

    recipe: Annotated[str | None, RECIPE, TASK] = None
    env: Annotated[str, Text(metavar="ID")] = "senseweave/Seek-v0"
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
    learning_rate: Annotated[float | None, Number(above=0, at_most=1, hint="0.001 is a good start.")] = None
    auxiliary: Annotated[dict[str, float], WEIGHTS] = dataclasses.field(default_factory=dict)
    perception: Annotated[str | None, Text(metavar="DIR")] = None
    overrides: Annotated[dict[str, Any], Pairs(word="set", metavar="GROUP.NAME=VALUE", is_dotted=True)] = (
        dataclasses.field(default_factory=dict)
    )
    compile: bool = False
    dataset: Annotated[str | None, Text(metavar="DIR"), Section("data")] = None
    held_out: Annotated[float, Number(at_least=0, below=1, hint="0.1 is a good start.", metavar="P")] = 0.1
    allow_damaged: bool = False
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
        if self.perception is not None and (self.fusion is not None or self.preset is not None):
            raise ConfigError(
                "`perception` brings its own fusion and preset; got both. Leave out --fusion and --preset."
            )
        TRAINERS[self.trainer]().check(self)
        self._check_dataset()
        if self.overrides:
            require_overrides(self.overrides)

    def _check_dataset(self) -> None:
        if self.dataset is None:
            return
        if not self.plan.imitation:
            raise ConfigError("`dataset` is imitated; give --trainer imitation, or --imitation-steps N before --steps.")
        if self.plan.learning and self.env == UNNAMED:
            raise ConfigError("`dataset` alone cannot be acted in; name where learning goes on with --env ID.")

    @classmethod
    def of_recipe(cls, given: Mapping[str, Any]) -> Self:
        """The settings that are given, and for the rest those of a recipe: the named one, or the one that fits.

        Args:
            given: settings by their names, "recipe" among them or not.

        Raises:
            ConfigError: see above.
            UnknownNameError: an unknown recipe, trainer or memory.
        """
        if given.get("dataset") is not None:
            own = {} if "imitation_steps" in given else {"trainer": "imitation"}
            given = {"env": UNNAMED, **own, **given}
        settings = cls(**resolved(given.get("recipe"), given))
        if not settings.env.startswith(MINIGRID):
            return settings
        from .engines import with_engine  # gymnasium comes with it, and every mistake above was told before

        own = {} if "env" in given else settings.env_options
        options = with_engine(settings.env, given.get("env_options", own))
        return cls(**resolved(given.get("recipe"), {**given, "env_options": options}))

    @property
    def plan(self) -> Plan:
        """Environment steps of imitation and of reinforcement learning, as the trainer takes them."""
        return TRAINERS[self.trainer]().plan(self)
