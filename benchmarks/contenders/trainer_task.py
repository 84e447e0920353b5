"""What every contender of trainers.py is told and tells: the task, the level, the network, and a log of events.

Runs in the contenders' own virtual environments, so it needs no more than torch, minigrid and senseweave's perception.
The log is one file to which all processes of a contender append a line of JSON at a time; times are of the clock that
all processes of a machine share.

b batch, n numbers of a flat observation
"""

import dataclasses
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from senseweave.envs.adapters.babyai import make_babyai
from senseweave.perception import Perception
from senseweave.perception.spec import Spec

HIDDEN = 64
"""Units of the one hidden layer of the policy, and of the value."""


@dataclasses.dataclass(frozen=True)
class Task:
    """One training run, as its contender is told.

    Args:
        contender: a name in `CONTENDERS` of trainer_plan.py.
        level: "BabyAI-..." of minigrid, or a level of Rooms for contenders that play there.
        frames: to train for.
        schedule: frames after which schedules have come to their end; 0 is all of them.
        learning_rate: at the start; it falls linearly to `last_learning_rate`.
        ent_coef: at the start; it falls to `last_ent_coef`, which is the same where a peer has no schedule for it.
        network: "perception", our laptop `Perception`, or "plain", a CNN beside a GRU over the mission.
        perception: changes of our laptop `PerceptionConfig`; trainer_sb3.py alone makes them.
        memory: "none", or "gru": the recurrent policy that a contender has.
        threads: of torch; 0 leaves it to the contender.
        runners: processes that play, for contenders that have them.
        compile: whether our perception is compiled by torch's inductor.
        uncounted: frames at the start that no speed counts; 0 leaves out the first rollout alone.
        stop_at: success of the last episodes at which trainer_sb3.py ends the training; 0 is never.
        stop_after: frames after which it ends before its schedule does; 0 is never.
        evaluation_episodes: held-out episodes in minigrid after the training, which no time counts.
        log: path of the file of events.
    """

    contender: str
    level: str
    frames: int
    seed: int
    log: str
    num_envs: int = 64
    n_steps: int = 32
    batch_size: int = 256
    epochs: int = 4
    schedule: int = 0
    learning_rate: float = 1e-3
    last_learning_rate: float = 0.0
    ent_coef: float = 0.003
    last_ent_coef: float = 0.003
    gamma: float = 0.99
    gae_lambda: float = 0.99
    clip_range: float = 0.2
    vf_coef: float = 0.5
    max_grad_norm: float = 0.5
    adam_eps: float = 1e-5
    network: str = "perception"
    perception: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    memory: str = "none"
    threads: int = 1
    runners: int = 0
    compile: bool = False
    uncounted: int = 0
    stop_at: float = 0.0
    stop_after: int = 0
    evaluation_episodes: int = 0

    @property
    def rollout(self) -> int:
        """Frames between two updates."""
        return self.num_envs * self.n_steps

    @property
    def updates(self) -> int:
        """Rollouts until `frames` are reached."""
        return -(-self.frames // self.rollout)

    def falling(self, first: float, last: float, frames: int) -> float:
        """A coefficient after some frames."""
        return first + (last - first) * min(1.0, frames / (self.schedule or self.frames))


def task_of_command_line() -> Task:
    """The task that trainers.py wrote on the command line; sets torch's threads and seed."""
    task = Task(**json.loads(sys.argv[1]))
    if task.threads:
        torch.set_num_threads(task.threads)
    torch.manual_seed(task.seed)
    np.random.seed(task.seed)
    return task


class Log:
    """Appends events to the file that trainers.py reads afterwards."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def tell(self, event: str, **facts: Any) -> None:
        """Writes one line: "start", "mark" (frames learned from), "episode" (steps, success) or "facts"."""
        line = json.dumps({"event": event, "time": time.monotonic(), **facts}) + "\n"
        os.write(self._file, line.encode())  # one write of few bytes at the end of a file: lines stay whole


class LoggedEpisodes(gym.Wrapper):
    """Tells of each episode that ends: its steps, and whether it brought any reward."""

    def __init__(self, env: gym.Env, log: Log) -> None:
        super().__init__(env)
        self._log, self._steps, self._return = log, 0, 0.0

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        self._steps, self._return = 0, 0.0
        return self.env.reset(**options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(int(action))
        self._steps, self._return = self._steps + 1, self._return + float(reward)
        if terminated or truncated:
            self._log.tell("episode", steps=self._steps, success=self._return > 0)
        return observation, reward, terminated, truncated, info


class FlatSenses(gym.ObservationWrapper):
    """The cells of the view and the mission's tokens as one vector (n,), which every trainer carries at low cost."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self.senses: Spec = env.get_wrapper_attr("senses")
        size = sum(int(np.prod(kind.shape)) for _, kind in self.senses.items())
        self.observation_space = gym.spaces.Box(0.0, 1e4, (size,), np.float32)

    def observation(self, observation: dict[str, Any]) -> Any:
        parts = [observation[name].ravel() for name in self.senses.names]
        return np.concatenate(parts).astype(np.float32)


def make_level(task: Task, *, flat: bool = True) -> gym.Env:
    """Minigrid's own level, its mission in tokens; every episode that ends is in the log."""
    env = LoggedEpisodes(make_babyai(task.level), Log(task.log))
    return FlatSenses(env) if flat else env


class Encoder(nn.Module):
    """Our laptop `Perception` over flat observations."""

    def __init__(self, senses: Spec) -> None:
        super().__init__()
        self.perception = Perception(senses)
        self.width = self.perception.config.state_dim
        self._shapes = {name: senses[name].shape for name in senses.names}

    def forward(self, flat: Tensor) -> Tensor:
        """Embeddings (b, width) of observations (b, n)."""
        parts = flat.split([int(np.prod(shape)) for shape in self._shapes.values()], dim=-1)
        senses = {name: part.unflatten(-1, self._shapes[name]) for name, part in zip(self._shapes, parts, strict=True)}
        return self.perception(senses).embedding


class ActorCritic(nn.Module):
    """The network of all contenders: perception, one hidden layer for the policy, one for the value."""

    def __init__(self, senses: Spec, actions: int) -> None:
        super().__init__()
        self.encoder = Encoder(senses)
        self.policy = _head(self.encoder.width, actions, 0.01)
        self.value = _head(self.encoder.width, 1, 1.0)


def _head(width: int, outputs: int, gain: float) -> nn.Sequential:
    """A hidden layer and an output, initialised as stable-baselines3 does it."""
    hidden, last = nn.Linear(width, HIDDEN), nn.Linear(HIDDEN, outputs)
    for layer, its_gain in ((hidden, 2**0.5), (last, gain)):
        nn.init.orthogonal_(layer.weight, its_gain)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(hidden, nn.Tanh(), last)


def parameters_of(module: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(parameter.numel() for parameter in module.parameters())
