"""What a person asks for: a frozen dataclass per command, checked when it is made, and plain JSON on disk.

Defaults run on a laptop. Nothing heavy is imported here: the command line builds these before torch is loaded, so
names that live with the networks (fusions, presets, environments) are checked a moment later, where they are used.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from ...perception.errors import ConfigError, unknown_name
from ...policies.choices import MEMORIES
from ...policies.recipes import resolved
from ...policies.trainer import TRAINERS, Plan
from .checks import JsonSettings, require_device, require_text, require_video_name, require_whole

PLAYERS = ("expert", "random")
"""Who plays in `senseweave watch` where no policy does."""

EXPLAIN_EPISODES = 200
"""What `senseweave explain` plays of each subset of senses by default."""

MAX_SEED = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class TrainConfig(JsonSettings):
    """One training run. `of_recipe` fills in what is left open; the defaults here are those of the recipe "plain".

    Args:
        recipe: name of the recipe that filled in what was left open, see policies/recipes.py; None where all is said
            here. `senseweave train` takes "seek" for a level of Rooms whose steps are left open, and else "plain".
        env: the environment's id, as `senseweave envs` lists it.
        env_options: options of that environment, {"view": "camera"}, say.
        steps: environment steps of reinforcement learning; the last rollout is always finished, so a few more are
            taken. 0 is allowed after imitation. With the trainer "imitation", steps of that.
        imitation_steps: environment steps before those, in which the policy imitates the environment's expert.
        modality_dropout: fraction of the training episodes in which a sense is missing, each sense by itself, 0..1;
            evaluation is without.
        num_envs: environments that step side by side.
        seed: of everything that is random; training never uses the held-out seeds from 1,000,000,000 up.
        device: "auto" (CUDA when it is there), "cpu", "cuda" or "cuda:N".
        fusion: how the senses are woven together; None takes the default.
        preset: size of the network; None takes the default.
        memory: a name in `MEMORIES`: "none", "gru" for a recurrent policy, or "looking_gru" for one whose memory
            steers what it looks at.
        trainer: a name in `TRAINERS`: "senseweave" (PPO on the device, with memory), "sb3" (stable-baselines3's PPO,
            or sb3-contrib's with an LSTM as memory) or "imitation" (the environment's expert alone).
        learning_rate: of reinforcement learning at the start, falling to 0, or of the trainer "imitation", falling to
            a tenth; None takes the trainer's own. Imitation before reinforcement learning always has its own.
        auxiliary: name -> weight of losses beside the trainer's, see policies/auxiliary.py.
        perception: a folder of `Perception.save_pretrained` to start from.
        compile: whether torch compiles the perception while it learns. That takes a minute or so at the start, and
            on a CPU a C++ compiler; a run that resumes is then no longer the same bit for bit.
        checkpoint_every: steps between checkpoints.
        keep_checkpoints: how many of the newest stay.
        evaluation_episodes: held-out episodes after training; 0 leaves the evaluation out.
        video: whether to write video.mp4 after training.

    Raises:
        ConfigError: a value is out of its range, or the trainer cannot do what is asked.
        UnknownNameError: an unknown trainer or memory.
    """

    recipe: str | None = None
    env: str = "senseweave/Seek-v0"
    env_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    steps: int = 300_000
    imitation_steps: int = 0
    modality_dropout: float = 0.0
    num_envs: int = 16
    seed: int = 0
    device: str = "auto"
    fusion: str | None = None
    preset: str | None = None
    memory: str = "none"
    trainer: str = "senseweave"
    learning_rate: float | None = None
    auxiliary: dict[str, float] = dataclasses.field(default_factory=dict)
    perception: str | None = None
    compile: bool = False
    checkpoint_every: int = 50_000
    keep_checkpoints: int = 2
    evaluation_episodes: int = 512
    video: bool = True

    def __post_init__(self) -> None:
        if self.recipe is not None:
            require_text("recipe", self.recipe)
        require_text("env", self.env)
        if not isinstance(self.env_options, dict):
            raise ConfigError(f"`env_options` must map names to values; got {self.env_options!r}.")
        require_whole("imitation_steps", self.imitation_steps, 0)
        require_whole("steps", self.steps, 0 if self.imitation_steps else 1)
        share = self.modality_dropout
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share < 1:
            raise ConfigError(f"`modality_dropout` must be in 0..1, 1 excluded; got {share!r}. 0.2 is a good start.")
        if share and "outages" in self.env_options:
            raise ConfigError(
                "`modality_dropout` and the environment's option `outages` both take senses away; choose one of them."
            )
        require_whole("num_envs", self.num_envs, 1, 4096)
        require_whole("seed", self.seed, 0, MAX_SEED)
        require_whole("checkpoint_every", self.checkpoint_every, 1)
        require_whole("keep_checkpoints", self.keep_checkpoints, 1)
        require_whole("evaluation_episodes", self.evaluation_episodes, 0, 1_000_000)
        require_device(self.device)
        MEMORIES.require(self.memory)
        TRAINERS.require(self.trainer)
        rate = self.learning_rate
        if rate is not None and (isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate <= 1):
            raise ConfigError(f"`learning_rate` must be in 0..1, 0 excluded; got {rate!r}. 0.001 is a good start.")
        if not isinstance(self.auxiliary, dict) or not all(
            isinstance(weight, (int, float)) and 0 <= weight < float("inf") for weight in self.auxiliary.values()
        ):
            raise ConfigError(f"`auxiliary` must map names to weights of at least 0; got {self.auxiliary!r}.")
        if not isinstance(self.compile, bool):
            raise ConfigError(f"`compile` must be True or False; got {self.compile!r}.")
        if self.perception is not None and (self.fusion is not None or self.preset is not None):
            raise ConfigError(
                "`perception` brings its own fusion and preset; got both. Leave out --fusion and --preset."
            )
        TRAINERS[self.trainer]().check(self)

    @classmethod
    def of_recipe(cls, given: Mapping[str, Any]) -> Self:
        """The settings that are given, and for the rest those of a recipe: the named one, or the one that fits.

        Args:
            given: settings by their names, "recipe" among them or not.

        Raises:
            ConfigError: see above.
            UnknownNameError: an unknown recipe, trainer or memory.
        """
        return cls(**resolved(given.get("recipe"), given))

    @property
    def plan(self) -> Plan:
        """Environment steps of imitation and of reinforcement learning, as the trainer takes them."""
        return TRAINERS[self.trainer]().plan(self)


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(JsonSettings):
    """One evaluation of a trained run, also what `explain` starts from.

    Args:
        run: the run directory.
        env: another environment than the run was trained in; None takes the run's own.
        env_options: options of that environment; None takes the run's own.
        episodes: held-out episodes, each from its own seed.
        seed: which set of held-out seeds: episode i starts from 1,000,000,000 + 1,000,000 * seed + i.
        greedy: whether `success_rate` and `mean_return` are those of the greedy policy instead of the sampled one.
        without: senses that are taken away.
        num_envs: episodes that run side by side; it changes the speed only. None takes many where they are batched.
        device: as in `TrainConfig`.
        video: a file to write a video to.

    Raises:
        ConfigError: a value is out of its range.
    """

    run: str
    env: str | None = None
    env_options: dict[str, Any] | None = None
    episodes: int = 512
    seed: int = 0
    greedy: bool = False
    without: tuple[str, ...] = ()
    num_envs: int | None = None
    device: str = "auto"
    video: str | None = None

    def __post_init__(self) -> None:
        require_text("run", self.run)
        if self.env is not None:
            require_text("env", self.env)
        require_whole("episodes", self.episodes, 1, 1_000_000)
        require_whole("seed", self.seed, 0, 1000)
        if self.num_envs is not None:
            require_whole("num_envs", self.num_envs, 1, 4096)
        require_device(self.device)
        object.__setattr__(self, "without", tuple(self.without))
        if self.video is not None:
            require_video_name("video", self.video)


@dataclasses.dataclass(frozen=True)
class WatchConfig(JsonSettings):
    """Some episodes as a video.

    Args:
        env: the environment's id; None takes the policy's own, or the one that `train` takes.
        env_options: options of that environment; None takes the policy's own.
        policy: a run directory whose policy plays.
        player: "expert" or "random", where no policy plays; None takes the expert where there is one, else chance.
        out: the video's file; None makes up a name in runs/watch.
        episodes: held-out episodes, each from its own seed.
        seed: which set of held-out seeds, as in `EvaluateConfig`.
        greedy: whether a policy takes the most probable action instead of a sampled one.
        without: senses that are taken away.
        unplug: senses that are taken away in the middle of each episode: "camera@3" is without it from step 3 on.
        device: as in `TrainConfig`.

    Raises:
        ConfigError: a value is out of its range, or both a policy and another player are given.
    """

    env: str | None = None
    env_options: dict[str, Any] | None = None
    policy: str | None = None
    player: str | None = None
    out: str | None = None
    episodes: int = 4
    seed: int = 0
    greedy: bool = False
    without: tuple[str, ...] = ()
    unplug: tuple[str, ...] = ()
    device: str = "auto"

    def __post_init__(self) -> None:
        for field in ("env", "policy", "out"):
            if getattr(self, field) is not None:
                require_text(field, getattr(self, field))
        require_whole("episodes", self.episodes, 1, 1000)
        require_whole("seed", self.seed, 0, 1000)
        require_device(self.device)
        object.__setattr__(self, "without", tuple(self.without))
        object.__setattr__(self, "unplug", tuple(self.unplug))
        _ = self.unplugged_from  # raises for what is none
        if self.out is not None:
            require_video_name("out", self.out, loops=True)
        if self.player is not None and self.player not in PLAYERS:
            raise unknown_name("Player", str(self.player), PLAYERS)
        if self.player is not None and self.policy is not None:
            raise ConfigError(f"`policy` plays itself; got {self.policy!r} and the player {self.player}. Choose one.")
        if self.greedy and self.policy is None:
            raise ConfigError("`greedy` is how a policy acts; got none. Add --policy DIR, or leave out --greedy.")

    @property
    def unplugged_from(self) -> dict[str, int]:
        """Sense -> the step from which on it is gone.

        Raises:
            ConfigError: one is not written as SENSE@STEP.
        """
        senses = {}
        for word in self.unplug:
            name, _, step = word.partition("@")
            if not (name and step.isdecimal() and int(step) > 0):
                raise ConfigError(f'`unplug` must be SENSE@STEP, a step from 1 up, as in "camera@3"; got {word!r}.')
            senses[name] = int(step)
        return senses
