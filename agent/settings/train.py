"""What a person asks for: a frozen dataclass per command, checked when it is made, and plain JSON on disk.

Defaults run on a laptop. Nothing heavy is imported here: the command line builds these before torch is loaded, so
names that live with the networks (fusions, presets, environments) are checked a moment later, where they are used.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ...perception.errors import ConfigError, unknown_name
from .checks import JsonSettings, require_device, require_text, require_video_name, require_whole

TRAINERS = ("senseweave", "sb3", "imitation")
"""What `--trainer` chooses from: PPO that stays on the device, stable-baselines3's PPO, or the expert alone."""

MEMORIES = ("none", "gru", "looking_gru")
"""What `--memory` chooses from."""

PLAYERS = ("expert", "random")
"""Who plays in `senseweave watch` where no policy does."""

EXPLAIN_EPISODES = 200
"""What `senseweave explain` plays of each subset of senses unless told otherwise."""

LARGEST_SEED = 2**31 - 1


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
class TrainConfig(JsonSettings):
    """One training run.

    Args:
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
        memory: "none", "gru" for a recurrent policy, or "looking_gru" for one whose memory steers what it looks at.
        trainer: "senseweave" (PPO on the device, with memory), "sb3" (stable-baselines3's PPO, or sb3-contrib's with
            an LSTM as memory) or "imitation" (the environment's expert alone).
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
        ConfigError: a value is out of its range, or two of them contradict each other.
        UnknownNameError: an unknown trainer or memory.
    """

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
        require_whole("seed", self.seed, 0, LARGEST_SEED)
        require_whole("checkpoint_every", self.checkpoint_every, 1)
        require_whole("keep_checkpoints", self.keep_checkpoints, 1)
        require_whole("evaluation_episodes", self.evaluation_episodes, 0, 1_000_000)
        require_device(self.device)
        if self.memory not in MEMORIES:
            raise unknown_name("Memory", str(self.memory), MEMORIES)
        if self.trainer not in TRAINERS:
            raise unknown_name("Trainer", str(self.trainer), TRAINERS)
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
        rate = self.learning_rate
        if rate is not None and (isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate <= 1):
            raise ConfigError(f"`learning_rate` must be in 0..1, 0 excluded; got {rate!r}. 0.001 is a good start.")
        if not isinstance(self.auxiliary, dict) or not all(
            isinstance(weight, (int, float)) and 0 <= weight < float("inf") for weight in self.auxiliary.values()
        ):
            raise ConfigError(f"`auxiliary` must map names to weights of at least 0; got {self.auxiliary!r}.")
        if self.auxiliary and self.trainer == "sb3":
            raise ConfigError("Auxiliary losses need the trainer senseweave; got sb3. Leave one of the two out.")
        if not isinstance(self.compile, bool):
            raise ConfigError(f"`compile` must be True or False; got {self.compile!r}.")
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
