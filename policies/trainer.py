"""`Trainer`: a way to train a policy, and `TRAINERS`, the table of them. A new one is a file and a line here.

    TRAINERS["sb3"]()      what it can do, and its refusals; nothing heavy is imported for that
        .build(setup)      a `Training` (`training.py`), which learns, and is kept and restored by checkpoints
        .make_policy(...)  the policy of a finished run, without its weights

`senseweave train` asks a trainer and its training for everything, and never which one they are. A trainer of your own
is registered by `TRAINERS.register("mine", Mine)` or by an installed package's entry point in the group
`senseweave.trainers`; CONTRIBUTING shows one.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from ..perception.errors import ConfigError
from ..perception.registry import Registry

if TYPE_CHECKING:
    import torch
    from gymnasium import spaces
    from gymnasium.vector import VectorEnv
    from stable_baselines3.common.policies import ActorCriticPolicy
    from stable_baselines3.common.vec_env import VecEnv

    from ..perception.config import PerceptionConfig
    from ..perception.spec import Spec
    from .training import Training

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
    @property
    def overrides(self) -> Mapping[str, Any]: ...
    @property
    def dataset(self) -> str | None: ...


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

    @property
    def in_words(self) -> str:
        """Its parts, "250,000 steps of imitation, then 250,000 of reinforcement learning" say."""
        if not self.imitation:
            return f"{self.learning:,} steps of reinforcement learning"
        after = f", then {self.learning:,} of reinforcement learning" if self.learning else ""
        return f"{self.imitation:,} steps of imitation{after}"


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
        demonstrations: what is played while the policy imitates, in the place of the environments: a dataset as a
            vector environment of tensors; None imitates in the environments themselves.
    """

    job: Job
    settings: Mapping[str, Any]
    environments: "VecEnv | VectorEnv[Any, Any, Any]"
    senses: "Spec"
    perception: "PerceptionConfig"
    device: "torch.device"
    find_expert: Callable[[], Callable[[], Any]]
    demonstrations: "VectorEnv[Any, Any, Any] | None" = None


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
        if getattr(job, "dataset", None) and not self.reads_tensors:  # a job of somebody's own may have none
            raise ConfigError(
                f"`dataset` needs the trainer imitation or senseweave; got {self.name}. Leave out --trainer, or it."
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
