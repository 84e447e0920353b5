"""One lesson for fusions.py: a policy learns by heart what the expert does in states that all fusions share.

The states are of a level of Rooms, played by the expert with random actions in between, so that its way back from a
mistake is seen as well; senses are missing in some of the episodes. No reinforcement, and no dataset on disk: the same
seed plays the same states again within seconds.

t steps, b rooms, n states
"""

import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from senseweave.envs.rooms.vector_env import RoomsVectorEnv
from senseweave.perception import ModalityDropout, PerceptionConfig
from senseweave.perception.spec import PRESENT
from senseweave.policies.auxiliary import make_auxiliary
from senseweave.policies.policy import SensePolicy
from senseweave.policies.presets import ppo_settings

ROOMS = 64
RANDOM_SHARE = 0.3
"""How many of the actions are random moves: without them, states that follow a mistake are never seen."""
MOVES = 3
MISSING_SHARE = 0.1
"""Fraction of the episodes in which a sense is missing, each by itself."""
STATES, EPOCHS = 100_000, 3
"""Of a dataset, and how often each state is learned from, if nothing else is said."""
LAST_RATE = 0.1
"""The learning rate at the end, as a share of that at the start."""


@dataclasses.dataclass(frozen=True)
class Lesson:
    """What is learned, and how.

    Args:
        level: of Rooms, "Seek" say.
        options: of the level.
        seed: of the states, the weights and the minibatches.
        states: how many; the same for every fusion.
        epochs: how often each is learned from.
        batch_size: states of a minibatch.
        learning_rate: at the start.
        missing: fraction of the episodes in which a sense is missing.
        dropout: how often a sense is dropped, each by itself, from the copies of states that are learned from beside
            the whole ones in the last epoch.
        objectives: name -> weight of what the perception learns beside.
    """

    level: str
    options: dict[str, Any]
    seed: int
    states: int
    epochs: int
    batch_size: int = 128
    learning_rate: float = 1e-3
    missing: float = MISSING_SHARE
    dropout: float = 0.0
    objectives: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def rooms(self, num_envs: int = ROOMS, **options: Any) -> RoomsVectorEnv:
        """A batch of the level's rooms."""
        return RoomsVectorEnv(self.level, num_envs=num_envs, device="cpu", **self.options | options)


def new_policy(lesson: Lesson, config: PerceptionConfig) -> SensePolicy:
    """A policy with random weights."""
    env = lesson.rooms(1)
    torch.manual_seed(lesson.seed)
    settings = ppo_settings(env.senses, config)["policy_kwargs"]
    return SensePolicy(
        env.single_observation_space, env.single_action_space, lambda _: lesson.learning_rate, **settings
    )


_newest: dict[tuple[Any, ...], tuple[dict[str, Tensor], Tensor]] = {}


def shared_play(lesson: Lesson, policy: SensePolicy) -> tuple[dict[str, Tensor], Tensor]:
    """What `play` gave last, where it would give the same again: fusions learn from the same states one by one."""
    key = (lesson.level, str(lesson.options), lesson.seed, lesson.states, lesson.missing)
    if key not in _newest:
        _newest.clear()
        _newest[key] = play(lesson, policy)
    return _newest[key]


@torch.no_grad()
def play(lesson: Lesson, policy: SensePolicy) -> tuple[dict[str, Tensor], Tensor]:
    """States and what the expert does there.

    Args:
        lesson: which, and how many.
        policy: its perception turns sounds into features once; weights play no part in that.

    Returns:
        Observations by name, (n, ...), and actions (n,).
    """
    env = lesson.rooms(outages=lesson.missing, outage_steps="episode")
    generator = torch.Generator().manual_seed(lesson.seed)
    observation, _ = env.reset(seed=lesson.seed)
    digest = policy.perception.digest  # pyright: ignore[reportOptionalMemberAccess]
    seen: dict[str, Tensor] = {}
    wanted = torch.zeros(lesson.states, dtype=torch.int64)
    for first in range(0, lesson.states, ROOMS):
        rows = min(ROOMS, lesson.states - first)
        digested = digest(observation)
        if not seen:
            seen = {name: part.new_zeros(lesson.states, *part.shape[1:]) for name, part in digested.items()}
        for name, part in digested.items():
            seen[name][first : first + rows] = part[:rows]
        expert = env.expert_actions()
        wanted[first : first + rows] = expert[:rows]
        moves = torch.randint(MOVES, (ROOMS,), generator=generator)
        is_random = torch.rand(ROOMS, generator=generator) < RANDOM_SHARE
        observation, *_ = env.step(torch.where(is_random, moves, expert))
    longest = int((seen["instruction"] != 0).any(dim=0).sum())  # padding that all share is work for nothing
    return seen | {"instruction": seen["instruction"][:, : max(1, longest)].contiguous()}, wanted


def with_dropped(batch: dict[str, Tensor], goals: Tensor, drop: ModalityDropout) -> tuple[dict[str, Tensor], Tensor]:
    """The states, and behind them a copy of each one that loses a sense; the whole ones stay."""
    dropped = drop(batch)
    rows = (~dropped[PRESENT]).any(dim=1).nonzero()[:, 0]
    both = {name: torch.cat([part, dropped[name][rows].to(part.dtype)]) for name, part in batch.items()}
    return both, torch.cat([goals, goals[rows]])


def learn(lesson: Lesson, policy: SensePolicy, seen: dict[str, Tensor], wanted: Tensor) -> dict[str, float]:
    """Behaviour cloning.

    Returns:
        "samples_per_cpu_s" (forward, backward, optimiser), "agreement" with the expert in the last epoch, and "loss".
    """
    auxiliary = make_auxiliary(lesson.objectives, policy.senses, policy.features_dim, 0, policy.features_extractor)
    parameters = [*policy.parameters(), *auxiliary.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=lesson.learning_rate, eps=1e-5, fused=True)
    generator = torch.Generator().manual_seed(lesson.seed)
    spec = policy.senses
    assert spec is not None
    drop = ModalityDropout(spec, lesson.dropout, generator=torch.Generator().manual_seed(lesson.seed))
    updates = lesson.epochs * -(-lesson.states // lesson.batch_size)
    done, losses, agreed = 0, [], []
    counts = torch.bincount(wanted, minlength=policy.action_net.out_features) + 1.0
    with torch.no_grad():  # as imitation does: else that constant is pushed through the perception, and nothing is told
        policy.action_net.bias.copy_((counts / counts.sum()).log())
    policy.train()
    began = time.process_time()
    for epoch in range(lesson.epochs):
        losses, agreed = [], []
        for rows in torch.randperm(lesson.states, generator=generator).split(lesson.batch_size):
            batch, goals = {name: part[rows] for name, part in seen.items()}, wanted[rows]
            if lesson.dropout and epoch == lesson.epochs - 1:
                batch, goals = with_dropped(batch, goals, drop)
            percept = policy.perceive(batch)
            judgement, _ = policy.judge(percept)
            logits = judgement.logits
            loss = functional.cross_entropy(logits, goals, reduction="sum") / len(rows)
            known = {"observations": batch, "percept": percept}
            beside = [weight * auxiliary[name](judgement.features, known) for name, weight in lesson.objectives.items()]
            optimizer.zero_grad()
            (loss + sum(part.mean() for part in beside)).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            for group in optimizer.param_groups:
                group["lr"] = lesson.learning_rate * (1.0 - (1.0 - LAST_RATE) * done / updates)
            optimizer.step()
            done += 1
            losses.append(float(loss.detach()))
            agreed.append(float((logits[: len(rows)].argmax(dim=1) == wanted[rows]).float().mean()))
    policy.eval()
    return {
        "samples_per_cpu_s": lesson.epochs * lesson.states / (time.process_time() - began),
        "agreement": sum(agreed) / len(agreed),
        "loss": sum(losses) / len(losses),
    }
