"""`Training`: one training under way, which a `Trainer` has built, and the callback that watches it.

`learn` goes on until so many steps are done, and calls the callback between rollouts and after each step. A checkpoint
keeps what `learned` and `snapshot` give; `restore` and `restore_snapshot` put it back.
"""

import abc
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..perception.files import load_strictly, weights_of

if TYPE_CHECKING:
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.policies import ActorCriticPolicy
    from torch import Tensor

    from .saving.checkpoint import Checkpoint


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
        steps_at_once: environment steps that one step of all environments makes.
        episodes: episodes that ended, earlier parts of the run included.
        settings: the trainer's, with what was found out when the training was built; config.json keeps them.
        learn, restart.

    Set these in SOME subclasses:
        progress: a word on how well it goes, shown beside the steps.
        success_rate: of the latest episodes; NaN where nobody knows.
        resumes_exactly: whether `snapshot` holds the environments.
        snapshot, restore_snapshot: what changes while a rollout is played.
        learned, restore: the rest of a checkpoint.

    Attributes:
        logger: where figures go; the caller sets it before `learn`.
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
        return Learned(weights_of(self.policy), {}, {}, {})

    def restore(self, checkpoint: "Checkpoint", source: Path) -> None:
        """Puts back what `learned` gave.

        Args:
            checkpoint: has it.
            source: the run directory, for messages.

        Raises:
            CheckpointError: the checkpoint does not fit; the training is as it was.
        """
        load_strictly(self.policy, checkpoint.policy, source)
        self.steps, self.episodes = checkpoint.steps, int(checkpoint.state["episodes"])
