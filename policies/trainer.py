"""`Trainer`: a way to train a policy, and `TRAINERS`, the table of them. A new one is a file and a line here.

    TRAINERS["sb3"]()      what it can do, and its refusals; nothing heavy is imported for that
        .build(setup)      -> Training: one training under way
            .learn(...)    until so many steps are done, with a callback between rollouts and after steps
            .learned()     what a checkpoint keeps, and .restore(checkpoint)
        .make_policy(...)  the policy of a finished run, without its weights

`senseweave train` asks a trainer and its training for everything, and never which one they are. A trainer of your own
is registered by `TRAINERS.register("mine", Mine)` or by an installed package's entry point in the group
`senseweave.trainers`; CONTRIBUTING shows one.
"""

import abc
import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from ..perception.errors import ConfigError
from ..perception.registry import Registry

if TYPE_CHECKING:
    import torch
    from gymnasium import spaces
    from gymnasium.vector import VectorEnv
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.policies import ActorCriticPolicy
    from stable_baselines3.common.vec_env import VecEnv
    from torch import Tensor

    from ..perception.config import PerceptionConfig
    from ..perception.spec import Spec
    from .saving.checkpoint import Checkpoint

TRAINERS: "Registry[type[Trainer]]" = Registry(
    "trainer",
    {
        "senseweave": ".trainers.on_device:OnDeviceTrainer",
        "sb3": ".trainers.sb3:SB3Trainer",
        "imitation": ".trainers.imitation:ImitationTrainer",
    },
    __package__,
)
"""What `--trainer` chooses from."""


class Job(Protocol):
    """What a trainer reads of the settings of `senseweave train`, where each of them is explained."""

    @property
    def recipe(self) -> str | None: ...
    @property
    def trainer(self) -> str: ...
    @property
    def memory(self) -> str: ...
    @property
    def steps(self) -> int: ...
    @property
    def imitation_steps(self) -> int: ...
    @property
    def num_envs(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def learning_rate(self) -> float | None: ...
    @property
    def auxiliary(self) -> Mapping[str, float]: ...
    @property
    def compile(self) -> bool: ...


class Plan(NamedTuple):
    """Environment steps of a training, in their order."""

    imitation: int
    """Steps that imitate the environment's expert, filled up to whole steps of all environments."""
    learning: int
    """Steps of reinforcement learning after those."""

    @property
    def total(self) -> int:
        """Steps of the whole training."""
        return self.imitation + self.learning


@dataclasses.dataclass(frozen=True)
class Setup:
    """All that a training is built from.

    Args:
        job: what was asked for.
        settings: the trainer's, as `Trainer.settings` gave them or config.json kept them.
        environments: a `VecEnv`, or where a trainer `reads_tensors` a vector environment of them, if there is one.
        senses: what they show.
        perception: size and fusion of the network.
        device: of the network.
        find_expert: gives the environments' expert, who is asked for an action in each of them, (b,) or (b, ...);
            raises a `ConfigError` where they have none.
    """

    job: Job
    settings: Mapping[str, Any]
    environments: "VecEnv | VectorEnv[Any, Any, Any]"
    senses: "Spec"
    perception: "PerceptionConfig"
    device: "torch.device"
    find_expert: Callable[[], Callable[[], Any]]


class Trainer:
    """A way to train, before anything is built: what it can do, and how it is set. It holds no state.

    Every trainer leaves out senses that are missing (`modality_dropout`), as that is done by the environments and read
    by the perception.

    Set these in ALL subclasses:
        name: the trainer's in `TRAINERS`.
        build: starts a training.

    Set these in SOME subclasses, whose defaults promise nothing:
        takes_auxiliary: whether auxiliary losses can be learned beside.
        compiles: whether torch can compile the perception while it learns.
        works_together: whether several processes can share one training.
        reads_tensors: whether a batched simulator is handed over as it is, instead of as a `VecEnv` of arrays.
        remembers: whether a policy with that memory can be trained.
        imitates_first: whether the expert can be imitated before, with that memory.
        plan, settings, make_policy.
    """

    name: ClassVar[str]
    takes_auxiliary: ClassVar[bool] = False
    compiles: ClassVar[bool] = False
    works_together: ClassVar[bool] = False
    reads_tensors: ClassVar[bool] = False

    def remembers(self, memory: str) -> bool:
        """Whether a policy with that memory, a name in `MEMORIES`, can be trained."""
        return memory == "none"

    def imitates_first(self, memory: str) -> bool:
        """Whether imitation can come before, for a policy with that memory."""
        return False

    def check(self, job: Job) -> None:
        """Refuses what this trainer cannot do, in one sentence, before anything heavy is imported.

        Raises:
            ConfigError: it cannot do the job.
        """
        if not self.remembers(job.memory):
            raise ConfigError(
                f'`memory` "{job.memory}" needs the trainer senseweave; got {self.name}. '
                f"Take --memory {'gru' if self.remembers('gru') else 'none'}."
            )
        if job.imitation_steps and not self.imitates_first(job.memory):
            with_memory = f' with memory "{job.memory}"' if self.imitates_first("none") else ""
            raise ConfigError(
                f"`imitation_steps`{with_memory} needs the trainer senseweave; got {self.name}. Leave out --trainer, "
                f"or {'one of the two' if with_memory else '--imitation-steps'}."
            )
        if job.auxiliary and not self.takes_auxiliary:
            raise ConfigError(
                f"Auxiliary losses need the trainer senseweave; got {self.name}. Leave one of the two out."
            )
        if job.compile and not self.compiles:
            raise ConfigError(
                f"`compile` needs the trainer senseweave or imitation; got {self.name}. Leave one of the two out."
            )

    def require_processes(self, count: int) -> None:
        """Refuses to share a training among processes where that is not possible.

        Raises:
            ConfigError: there are several processes, and this trainer works alone.
        """
        if count > 1 and not self.works_together:
            raise ConfigError(
                f'The trainer "{self.name}" works alone; got {count} processes. Take --trainer senseweave.'
            )

    def plan(self, job: Job) -> Plan:
        """How many steps the training has."""
        return Plan(whole_steps(job.imitation_steps, job.num_envs), job.steps)

    def settings(self, job: Job) -> dict[str, Any]:
        """How the algorithm is set for a new training: plain JSON values, which config.json keeps for `build`."""
        return {}

    def build(self, setup: Setup) -> "Training":
        """Starts a training, with random weights and new environments.

        Raises:
            ConfigError: the environments have no expert, or something else that the job needs.
        """
        raise NotImplementedError

    def make_policy(
        self,
        job: Job,
        senses: "Spec",
        perception: "PerceptionConfig",
        observation_space: "spaces.Dict",
        action_space: "spaces.Space[Any]",
    ) -> "ActorCriticPolicy":
        """The policy that such a training has, with random weights: a `SensePolicy`."""
        from .policy import SensePolicy
        from .presets import ppo_settings

        settings = ppo_settings(senses, perception)["policy_kwargs"] | {"memory": job.memory}
        return SensePolicy(observation_space, action_space, lambda _: 0.0, **settings)


def whole_steps(steps: int, num_envs: int) -> int:
    """Steps filled up to whole steps of all environments."""
    return math.ceil(steps / num_envs) * num_envs


class Callback(Protocol):
    """Watches a training, and may put it back to an earlier state between two rollouts."""

    def on_rollout_start(self) -> None:
        """Before each rollout: may write a checkpoint, restart the environments, or restore them."""

    def on_step(self) -> bool:
        """After each step of all environments; False breaks the rollout off and ends the training."""
        ...

    def on_rollout_end(self) -> None:
        """After each rollout, before the figures about it are written."""

    def on_phase_end(self) -> None:
        """Between imitation and what follows."""


class Learned(NamedTuple):
    """What a training has learned, as a checkpoint keeps it."""

    policy: "dict[str, Tensor]"
    """The policy's state dict."""
    optimizer: "dict[str, Tensor]"
    """The optimiser's tensors."""
    state: dict[str, Any]
    """Everything else, as plain JSON values."""
    losses: "dict[str, Tensor]"
    """The weights of auxiliary losses, named apart from what `snapshot` gives."""


class Training(abc.ABC):
    """One training under way.

    Set these in ALL subclasses:
        policy: what learns.
        steps: environment steps taken, earlier parts of the run included. It can be set, to forget a rollout that was
            broken off.
        episodes: episodes that ended, earlier parts of the run included.
        learn, restart.

    Set these in SOME subclasses:
        settings: the algorithm's, with what was found out when it was built.
        logger: where figures go; the caller sets it before `learn`.
        progress: a word on how well it goes, shown beside the steps.
        success_rate: of the latest episodes; NaN where nobody knows.
        resumes_exactly: whether `snapshot` holds the environments.
        snapshot, restore_snapshot: what changes while a rollout is played.
        learned, restore: the rest.
    """

    policy: "ActorCriticPolicy"
    steps: int
    episodes: int
    steps_at_once: int
    settings: dict[str, Any]
    logger: "Logger"

    @abc.abstractmethod
    def learn(self, steps: int, callback: Callback) -> None:
        """Learns until so many environment steps are done in all, or the callback ends it.

        The figures of each rollout go to `logger`, by the names of stable-baselines3, and are dumped once a rollout.
        """

    @abc.abstractmethod
    def restart(self, seed: int) -> None:
        """Begins an episode in every environment, the same ones every time."""

    @property
    def progress(self) -> str:
        """How well it goes, in a word or two."""
        return ""

    @property
    def success_rate(self) -> float:
        """Of the latest training episodes; NaN where success is not defined."""
        return math.nan

    @property
    def resumes_exactly(self) -> bool:
        """Whether a training goes on in the middle of episodes; otherwise it restarts them at each checkpoint."""
        return False

    def snapshot(self) -> "dict[str, Tensor]":
        """What changes while a rollout is played: the environments, and what the policy carries from step to step."""
        return {}

    def restore_snapshot(self, snapshot: "Mapping[str, Tensor]") -> None:
        """Puts back what `snapshot` gave; only asked of a training that resumes exactly.

        Raises:
            CheckpointError: it is of other environments.
        """
        raise NotImplementedError

    def learned(self) -> Learned:
        """What a checkpoint keeps beside a snapshot; by default, the policy's weights alone."""
        return Learned(self.policy.state_dict(), {}, {}, {})

    def restore(self, checkpoint: "Checkpoint", source: Path) -> None:
        """Puts back what `learned` gave.

        Args:
            checkpoint: has it.
            source: the run directory, for messages.

        Raises:
            CheckpointError: the checkpoint does not fit; the training is as it was.
        """
        from ..perception.files import load_strictly

        load_strictly(self.policy, checkpoint.policy, source)
        self.steps, self.episodes = checkpoint.steps, int(checkpoint.state["episodes"])
